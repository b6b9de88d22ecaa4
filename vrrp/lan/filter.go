package lan

import "golang.org/x/net/bpf"

// vrids is a set of virtual routers.
type vrids [8]uint32

func (v *vrids) add(vrid uint8) { v[vrid>>5] |= 1 << (vrid & 31) }

// The two kinds of raw sockets: what a filter sees first.
const (
	ipHeader   = true  // IPv4
	noIPHeader = false // IPv6
)

// admitting is a program that lets pass the packets of these virtual routers
// alone. It takes as long for one as for 255. A packet too short to name its
// virtual router is dropped, since a load from beyond the end ends a program
// with 0.
func admitting(set vrids, header bool) []bpf.Instruction {
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: 1, Size: 1}}
	if header {
		program = []bpf.Instruction{
			bpf.LoadMemShift{Off: 0}, // X: the length of the IP header
			bpf.LoadIndirect{Off: 1, Size: 1},
		}
	}
	// A: the VRID. Its upper three bits choose a word of the set, its lower
	// five a bit of the word.
	program = append(program,
		bpf.TAX{},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 31},
		bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.TXA{},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 5},
	)
	for i, word := range set {
		last := len(set) - 1 - i
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(i), SkipFalse: 2},
			bpf.LoadConstant{Dst: bpf.RegA, Val: word},
			bpf.Jump{Skip: uint32(3 * last)},
		)
	}
	program = append(program,
		bpf.LoadScratch{Dst: bpf.RegX, N: 0},
		bpf.ALUOpX{Op: bpf.ALUOpShiftRight},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 1, SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	)
	return program
}
