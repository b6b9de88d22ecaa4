package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"ngha/supervisor/control"
)

// A frozen ngha has a socket that takes connections, and says nothing.
func TestCheckEndsWhereNobodyAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ngha.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = check(t.Context(), control.Client{Socket: socket})
	if err == nil || !strings.Contains(err.Error(), "does not answer within 2s") {
		t.Errorf("check: %v", err)
	}
}
