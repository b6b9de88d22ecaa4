package vrrp

// Reason says what is remarkable about a received advertisement: why it was
// discarded or, though it was obeyed, what a person should mend. The set is
// closed, so that it can label a metric.
type Reason uint8

// The reasons. The comment tells what a Finding's Value is, where it has one.
const (
	// Discarded by Parse, in the order in which they are looked for.

	ReasonFamily   Reason = iota // from an address of another family than the virtual router's, or between two
	ReasonTTL                    // TTL other than 255: it crossed a router (RFC 9568 section 5.1.1.3); Value: the TTL
	ReasonSource                 // the sender's address is not a unicast address
	ReasonLength                 // shorter than its fields say
	ReasonVersion                // neither 2 nor 3, or not the configured one; Value: the version
	ReasonType                   // not an ADVERTISEMENT
	ReasonTrailer                // longer than its fields say, or no trailer that is known; Value: by how many octets
	ReasonChecksum               // wrong in every way that is in use
	ReasonAuth                   // VRRPv2 authentication of another type than configured; Value: the type
	ReasonCount                  // no address in it (erratum 8299)
	ReasonVRID                   // 0, or not the configured one
	ReasonInterval               // 0 (erratum 8301), or under VRRPv2 not the configured one

	// Discarded by an Authenticator.

	ReasonUnsigned  // no signature, where one is demanded
	ReasonStale     // signed at a time outside the window; Value: how many seconds ago
	ReasonKey       // signed with a key that this node does not have; Value: its id
	ReasonSignature // the signature does not fit
	ReasonReplay    // signed before one that its sender has sent already

	// Discarded by a Machine, which knows its own configuration.

	ReasonOwnAddress  // sent from this node's own address
	ReasonPassword    // the VRRPv2 password is another one
	ReasonUnknownPeer // peers are configured, and the sender is none of them

	// Obeyed.

	ReasonAddresses     // the virtual addresses are not all the same
	ReasonForeign       // no virtual address is the same: another group of nodes uses the VRID
	ReasonOwner         // Priority 255
	ReasonOtherInterval // the interval, under VRRPv3, is not this node's
	ReasonLongInterval  // likewise, and a long one
	ReasonOtherChecksum // the checksum is computed in the way that this node does not send
	ReasonClock         // signed at a time half a window away; Value: how many seconds ago

	// NumReasons is how many reasons there are.
	NumReasons
)

// reasonWords are what String returns.
var reasonWords = [NumReasons]string{
	ReasonFamily:        "family",
	ReasonTTL:           "ttl",
	ReasonSource:        "source",
	ReasonLength:        "length",
	ReasonVersion:       "version",
	ReasonType:          "type",
	ReasonTrailer:       "unexpected trailer",
	ReasonChecksum:      "checksum",
	ReasonAuth:          "auth",
	ReasonCount:         "count",
	ReasonVRID:          "vrid",
	ReasonInterval:      "interval",
	ReasonUnsigned:      "unsigned",
	ReasonStale:         "stale",
	ReasonKey:           "unknown key",
	ReasonSignature:     "signature",
	ReasonReplay:        "replay",
	ReasonOwnAddress:    "own address",
	ReasonPassword:      "password",
	ReasonUnknownPeer:   "unknown peer",
	ReasonAddresses:     "other addresses",
	ReasonForeign:       "foreign addresses",
	ReasonOwner:         "priority 255",
	ReasonOtherInterval: "other interval",
	ReasonLongInterval:  "long interval",
	ReasonOtherChecksum: "other checksum",
	ReasonClock:         "clock",
}

// String returns a short label in lower case, such as "ttl".
func (r Reason) String() string {
	if r >= NumReasons {
		return "invalid"
	}
	return reasonWords[r]
}

// Discards reports whether an advertisement with this reason touches nothing.
func (r Reason) Discards() bool { return r < ReasonAddresses }

// Finding is something remarkable about one received advertisement.
type Finding struct {
	Reason Reason
	Value  int           // what the Reason says, or 0
	Adv    Advertisement // the zero one where it could not be read
}

// DiscardError is the error of Parse and of an Authenticator.
type DiscardError struct {
	Reason Reason
	Value  int // of a Finding
}

func (e *DiscardError) Error() string { return "discard advertisement: " + e.Reason.String() }

func discard(r Reason, value int) error { return &DiscardError{r, value} }
