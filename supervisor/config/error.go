package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Error is one fault of a configuration: where it is, what is wrong, and what
// would be right.
type Error struct {
	Source string // a file's path, or what the operator wrote: "--vrid", "NGHA_VRID"
	Line   int    // in the file, from 1; 0 when Source is no file
	Column int    // in characters, from 1
	Text   string // the file's line
	Fault  string
	Cure   string

	rank int // of the kind of source, see source
}

// Error returns the place, the fault, the line with a mark below the place, and
// the cure, in up to four lines without a line feed at the end.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Line == 0 {
		fmt.Fprintf(&b, "%s: %s", e.Source, e.Fault)
	} else {
		text, mark := excerpt(e.Text, e.Column)
		number := fmt.Sprintf("%6d", e.Line)
		fmt.Fprintf(&b, "%s:%d:%d: %s\n%s | %s\n%*s | %s^",
			e.Source, e.Line, e.Column, e.Fault, number, text, len(number), "", mark)
	}
	if e.Cure != "" {
		fmt.Fprintf(&b, "\n       %s", e.Cure)
	}
	return b.String()
}

// excerptMost is how much of a line is shown, in characters.
const excerptMost = 120

// excerpt returns what of a line is shown, and the blanks that lead to column.
// Tabs are kept, so that the mark stands right however wide they are.
func excerpt(line string, column int) (text, mark string) {
	runes := []rune(line)
	at := min(max(column-1, 0), len(runes))
	from := 0
	if at >= excerptMost {
		from = at - excerptMost/2
	}
	to := min(len(runes), from+excerptMost)
	shown := slices.Clone(runes[from:to])
	blanks := make([]rune, at-from)
	for i, r := range shown {
		if r != '\t' && !unicode.IsPrint(r) || i == 0 && from > 0 || i == len(shown)-1 && to < len(runes) {
			shown[i] = '…'
		}
	}
	for i := range blanks {
		if blanks[i] = ' '; shown[i] == '\t' {
			blanks[i] = '\t'
		}
	}
	return string(shown), string(blanks)
}

// Errors are all the faults of a configuration: those of the file in the order
// of its lines, then those of the environment and of the flags.
type Errors []*Error

// Error returns all faults, with an empty line between them.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n\n")
}

// Unwrap returns the faults one by one.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// show returns text as a message shows it: as it is when it is one plain word,
// else in quotes, and never more of it than a person wants to read.
func show(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return fmt.Sprintf("%q...", string(runes[:most]))
	}
	plain := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:@+%", r))
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return fmt.Sprintf("%q", text)
	}
	return text
}
