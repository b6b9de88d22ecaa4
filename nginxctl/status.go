package nginxctl

import (
	"fmt"
	"strconv"
	"strings"
)

// StubStatus is what nginx's stub_status module counts. After a worker's crash
// Active, Reading, Writing and Waiting stay too high until nginx is started
// anew.
type StubStatus struct {
	Active   uint64 // open connections now, those in Waiting included
	Accepted uint64 // connections since the start
	Handled  uint64 // of them, those not dropped for want of resources
	Requests uint64
	Reading  uint64 // connections whose request is being read
	Writing  uint64 // ... whose answer is being written
	Waiting  uint64 // ... idle between requests
}

// ParseStubStatus parses the answer of a stub_status location:
//
//	Active connections: 291
//	server accepts handled requests
//	 16630948 16630948 31070465
//	Reading: 6 Writing: 179 Waiting: 106
func ParseStubStatus(text string) (StubStatus, error) {
	var s StubStatus
	words := strings.Fields(text)
	form := []struct {
		word  string
		value *uint64
	}{
		{word: "Active"}, {"connections:", nil}, {value: &s.Active},
		{word: "server"}, {word: "accepts"}, {word: "handled"}, {word: "requests"},
		{value: &s.Accepted}, {value: &s.Handled}, {value: &s.Requests},
		{word: "Reading:"}, {value: &s.Reading},
		{word: "Writing:"}, {value: &s.Writing},
		{word: "Waiting:"}, {value: &s.Waiting},
	}
	if len(words) != len(form) {
		return StubStatus{}, fmt.Errorf("not a stub_status answer: %s", quote(text))
	}
	for i, f := range form {
		if f.value == nil {
			if words[i] != f.word {
				return StubStatus{}, fmt.Errorf("not a stub_status answer: %s", quote(text))
			}
			continue
		}
		v, err := strconv.ParseUint(words[i], 10, 64)
		if err != nil {
			return StubStatus{}, fmt.Errorf("not a stub_status answer: %w in %s", err, quote(text))
		}
		*f.value = v
	}
	return s, nil
}

// quote shows the beginning of an answer on one line.
func quote(text string) string {
	const limit = 120
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = text[:limit] + "..."
	}
	return strconv.Quote(text)
}
