package supervisor

import (
	"fmt"
	"strings"

	"ngha/supervisor/status"
)

// Summary tells in a sentence what a node does, and whether it does what it
// should: its nginx serves, or is being repaired without the role being given
// up, and every virtual router takes part in its election. It holds words of
// others as they wrote them.
func Summary(s status.Status) (sentence string, well bool) {
	words := []string{s.Health.State}
	if s.Health.Reason != "" {
		words[0] += ": " + s.Health.Reason
	}
	well = s.Health.State == "healthy" || s.Health.State == "repairing"
	for _, v := range s.VirtualRouters {
		switch v.State {
		case "active":
			words = append(words, v.Name+" is active")
		case "backup":
			words = append(words, v.Name+" stands by")
		default:
			well = false
			words = append(words, fmt.Sprintf("%s takes no part: %s", v.Name, v.Reason))
		}
	}
	return strings.Join(words, "; "), well
}
