package supervisor_test

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"testing"

	"ngha/supervisor"
)

// So ngha itself is upgraded, and its settings are changed.
func TestNextNghaTakesTheNginxThatWasLeft(t *testing.T) {
	r := prepare(t)
	r.start()
	first := r.awaitHealthy().Nginx.PID
	stop := r.stream()
	client := r.slowClient()
	r.sigs <- supervisor.Leave
	if err := <-r.done; err != nil {
		t.Fatalf("Run: %v", err)
	}
	if !slices.Contains(r.processes(), first) {
		t.Fatalf("master %d is not among %v", first, r.processes())
	}
	r.start()
	s := r.awaitHealthy()
	if s.Nginx.PID == first || s.Nginx.Generation != 1 || slices.Contains(r.processes(), first) {
		t.Errorf("master %d after %d, generation %d, processes %v", s.Nginx.PID, first, s.Nginx.Generation, r.processes())
	}
	if requests, failed := stop(); failed != 0 || requests == 0 {
		t.Errorf("%d of %d requests failed", failed, requests)
	}
	// What was begun before is finished.
	if _, err := io.WriteString(client, "Host: ngha\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("answer to the request begun before: %+v, %v", resp, err)
	}
}

func TestNginxThatWasLeftIsClearedAway(t *testing.T) {
	r := prepare(t)
	r.start()
	r.awaitHealthy()
	if n, err := supervisor.Clear(t.Context(), r.config.Control.Socket); err == nil || n != 0 {
		t.Errorf("Clear = %d, %v, want that an ngha lives", n, err)
	}
	r.sigs <- supervisor.Leave
	if err := <-r.done; err != nil {
		t.Fatalf("Run: %v", err)
	}
	defer func() { r.done <- nil }()
	left := len(r.processes())
	if n, err := supervisor.Clear(t.Context(), r.config.Control.Socket); err != nil || n != left || n == 0 {
		t.Errorf("Clear = %d, %v, want the %d processes of nginx", n, err, left)
	}
	r.noNginx()
	if n, err := supervisor.Clear(t.Context(), r.config.Control.Socket); err != nil || n != 0 {
		t.Errorf("Clear = %d, %v, want none left", n, err)
	}
}
