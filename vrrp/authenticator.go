package vrrp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"net/netip"
	"time"
)

// The trailer that follows a signed message, keepalived's auth_hmac from 2.4.2
// on (draft-cassen-vrrp-auth-hmac). The message's count does not know of it, nor
// its checksum over IPv4.
//
//	octet  trailer
//	0      type: 1, HMAC-SHA-256 cut to 128 bits
//	1      id of the key
//	2-3    reserved: zero
//	4-7    sequence number: seconds since 1970, UTC
//	8-9      ... 1/65536 of a second
//	10-11    ... counter
//	12-27  HMAC
const (
	trailerLen  = 28
	trailerHMAC = 12 // where the HMAC begins, and the end of what it covers

	trailerType = 1
	hmacLen     = trailerLen - trailerHMAC
)

// Authenticator signs what a virtual router sends, and checks the signatures of
// what it receives: that they were made with a shared key, lately, and are not
// the repetition of an earlier one. It reads no clock and is not safe for
// concurrent use. Wall-clock time that jumps costs no more than the packets
// signed while the clocks were apart.
type Authenticator struct {
	config  Auth
	signers []signer // the first one signs
	sent    uint64   // the sequence number last used; 0: none
	senders []mark   // those heard, the latest first
}

// signer computes HMACs with one key.
type signer struct {
	id  uint8
	mac hash.Hash
}

// mark is the highest sequence number of a sender.
type mark struct {
	src netip.Addr
	seq uint64
}

// maxSenders is how many senders' marks are kept. Only who has a key gets one.
const maxSenders = 64

// NewAuthenticator returns an Authenticator with keys, of which the first
// signs.
func NewAuthenticator(c Auth, keys []Key) (*Authenticator, error) {
	a := &Authenticator{config: c}
	if err := errors.Join(c.validate(), a.SetKeys(keys)); err != nil {
		return nil, err
	}
	return a, nil
}

// SetKeys replaces the keys; the first of them signs from now on. What senders
// have signed before still counts as sent. Where there is an error the old keys
// stay.
func (a *Authenticator) SetKeys(keys []Key) error {
	if err := ValidateKeys(keys); err != nil {
		return err
	}
	a.signers = nil
	for _, k := range keys {
		a.signers = append(a.signers, signer{k.ID, hmac.New(sha256.New, k.Secret)})
	}
	return nil
}

// Sign appends the trailer to msg, an advertisement that will travel from src to
// dst, unless the node only receives.
func (a *Authenticator) Sign(msg []byte, src, dst netip.Addr, wall time.Time) []byte {
	if a.config.Mode == AuthReceiveOnly {
		return msg
	}
	s := &a.signers[0]
	signed := append(msg, trailerType, s.id, 0, 0)
	signed = binary.BigEndian.AppendUint64(signed, a.next(wall))
	signed = append(signed, s.sum(signed, src)...)
	if src.Is6() {
		binary.BigEndian.PutUint16(signed[6:], 0)
		binary.BigEndian.PutUint16(signed[6:], checksum(signed, src, dst, PseudoHeader))
	}
	return signed
}

// Parse is vrrp.Parse for packets that may be signed. skew is how far the
// sender's clock is behind, where it is worth a Finding. The error is always a
// *DiscardError.
func (a *Authenticator) Parse(p Packet, wall time.Time) (adv Advertisement, skew time.Duration, err error) {
	signed := p.Payload
	n := len(signed) - trailerLen
	if n < headerLen || n != messageLen(signed, addrLen(p.Src.Unmap())) {
		if adv, err = Parse(p); err == nil && a.config.Mode == AuthEnforce {
			err = discard(ReasonUnsigned, 0)
		}
		return adv, 0, err
	}
	if adv, err = parse(p, trailerLen); err != nil {
		return adv, 0, err
	}
	skew, err = a.verify(signed, p.Src.Unmap(), wall)
	return adv, skew, err
}

// verify checks the trailer at the end of signed. What is cheap comes before
// the HMAC: a flood shall not cost one each. No mark moves for what is forged.
func (a *Authenticator) verify(signed []byte, src netip.Addr, wall time.Time) (skew time.Duration, err error) {
	trailer := signed[len(signed)-trailerLen:]
	if trailer[0] != trailerType || trailer[2] != 0 || trailer[3] != 0 {
		return 0, discard(ReasonTrailer, trailerLen)
	}
	seq := binary.BigEndian.Uint64(trailer[4:])
	behind := age(seq, wall)
	if !a.config.Monotonic {
		if behind.Abs() > a.config.Window {
			return 0, discard(ReasonStale, int(behind/time.Second))
		}
		if behind.Abs() > a.config.Window/2 {
			skew = behind
		}
	}
	s := a.signer(trailer[1])
	if s == nil {
		return 0, discard(ReasonKey, int(trailer[1]))
	}
	if !hmac.Equal(trailer[trailerHMAC:], s.sum(signed[:len(signed)-hmacLen], src)) {
		return 0, discard(ReasonSignature, 0)
	}
	if !a.advance(src, seq, wall) {
		return 0, discard(ReasonReplay, 0)
	}
	return skew, nil
}

func (a *Authenticator) signer(id uint8) *signer {
	for i := range a.signers {
		if a.signers[i].id == id {
			return &a.signers[i]
		}
	}
	return nil
}

// advance raises the mark of src to seq, and reports whether that was higher.
func (a *Authenticator) advance(src netip.Addr, seq uint64, wall time.Time) bool {
	i := 0
	for i < len(a.senders) && a.senders[i].src != src {
		i++
	}
	if i < len(a.senders) {
		old := a.senders[i].seq
		// One outside the window only stands in the way of a sender whose clock
		// was put right: what it could reject is stale.
		forgotten := !a.config.Monotonic && age(old, wall).Abs() > a.config.Window
		if !forgotten && !after(seq, old) {
			return false
		}
	} else if len(a.senders) < maxSenders {
		a.senders = append(a.senders, mark{})
	} else {
		i-- // the one not heard for the longest time
	}
	copy(a.senders[1:i+1], a.senders[:i])
	a.senders[0] = mark{src, seq}
	return true
}

// next returns a sequence number higher than any before: the time or, where
// that has not moved on, the last one and 1. It starts anew from the time when
// the clock was put back further than the others would accept.
func (a *Authenticator) next(wall time.Time) uint64 {
	now := sequence(wall)
	ahead := -age(a.sent, wall)
	if a.sent == 0 || after(now, a.sent) || !a.config.Monotonic && ahead > a.config.Window {
		a.sent = now
	} else {
		a.sent++
	}
	return a.sent
}

// sequence is the sequence number of an instant, its counter zero.
func sequence(t time.Time) uint64 {
	return uint64(uint32(t.Unix()))<<32 | uint64(t.Nanosecond())<<16/uint64(time.Second)<<16
}

// after compares sequence numbers as RFC 1982 does, so that they may overflow.
func after(a, b uint64) bool { return int64(a-b) > 0 }

// age is how long ago seq was, in whole seconds.
func age(seq uint64, now time.Time) time.Duration {
	return time.Duration(int32(uint32(now.Unix())-uint32(seq>>32))) * time.Second
}

// sum returns the HMAC of a message with its trailer up to the HMAC. It covers
// where the message comes from and, as zeros, the checksum, which the kernel
// may not have computed yet, and the HMAC itself.
func (s *signer) sum(signed []byte, src netip.Addr) []byte {
	var pseudo [20]byte // family, version, VRID, zero, address
	var zero [hmacLen]byte
	pseudo[0], pseudo[1], pseudo[2] = 4, signed[0]>>4, signed[1]
	if src.Is6() {
		pseudo[0] = 6
	}
	copy(pseudo[4:], src.AsSlice())
	s.mac.Reset()
	for _, part := range [][]byte{pseudo[:], signed[:6], zero[:2], signed[8:], zero[:]} {
		s.mac.Write(part) // a hash never fails
	}
	return s.mac.Sum(nil)[:hmacLen]
}
