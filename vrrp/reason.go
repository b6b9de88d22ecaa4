package vrrp

// Reason says why a received advertisement was discarded. The set is closed,
// so that it can label a metric.
type Reason uint8

// The reasons, in the order in which they are looked for. The first group is
// found by Parse, the second by a Machine, which knows its own configuration.
const (
	ReasonFamily   Reason = iota // an address family this package has no codec for
	ReasonTTL                    // TTL other than 255: it crossed a router (RFC 9568 section 5.1.1.3)
	ReasonSource                 // the sender's address is not a unicast address
	ReasonLength                 // shorter than its fields say
	ReasonVersion                // neither 2 nor 3, or not the configured one
	ReasonType                   // not an ADVERTISEMENT
	ReasonTrailer                // longer than its fields say
	ReasonChecksum               // wrong in every way that is in use
	ReasonAuth                   // VRRPv2 authentication other than none
	ReasonCount                  // no address in it (erratum 8299)
	ReasonVRID                   // 0, or not the configured one
	ReasonInterval               // 0 (erratum 8301), or under VRRPv2 not the configured one

	ReasonOwnAddress  // sent from this node's own address
	ReasonUnknownPeer // peers are configured, and the sender is none of them

	// NumReasons is how many reasons there are.
	NumReasons
)

// reasonWords are what String returns.
var reasonWords = [NumReasons]string{
	ReasonFamily:      "family",
	ReasonTTL:         "ttl",
	ReasonSource:      "source",
	ReasonLength:      "length",
	ReasonVersion:     "version",
	ReasonType:        "type",
	ReasonTrailer:     "unexpected trailer",
	ReasonChecksum:    "checksum",
	ReasonAuth:        "auth",
	ReasonCount:       "count",
	ReasonVRID:        "vrid",
	ReasonInterval:    "interval",
	ReasonOwnAddress:  "own address",
	ReasonUnknownPeer: "unknown peer",
}

// String returns a short label in lower case, such as "ttl".
func (r Reason) String() string {
	if r >= NumReasons {
		return "invalid"
	}
	return reasonWords[r]
}

// DiscardError is the error of Parse.
type DiscardError struct{ Reason Reason }

func (e *DiscardError) Error() string { return "discard advertisement: " + e.Reason.String() }
