package nginxctl

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ngha/nginxctl/nginxtest"
)

func TestTestQuotesNginx(t *testing.T) {
	nginxtest.Require(t)
	s := nginxtest.NewSite(t, nginxtest.Config{Main: "no_such_directive;"})
	n, _ := testNginx(t, s.Command())
	err := n.Test(testContext(t))
	e, ok := errors.AsType[*TestError](err)
	if !ok {
		t.Fatalf("Test: %v", err)
	}
	want := `[emerg] unknown directive "no_such_directive" in ` + s.Conf + ":4"
	if !strings.HasSuffix(e.Error(), want) {
		t.Errorf("Error() = %q, want %q", e, want)
	}
	if !strings.Contains(e.Output, "test failed") {
		t.Errorf("Output = %q, want all of it", e.Output)
	}
	if _, err := n.Dump(testContext(t)); !errors.As(err, &e) {
		t.Errorf("Dump: %v", err)
	}
}

func TestTestErrorKeepsWordsOfAnUnknownForm(t *testing.T) {
	e := &TestError{Output: "entrypoint: no such template\n"}
	if !strings.Contains(e.Error(), "entrypoint: no such template") {
		t.Errorf("Error() = %q", e)
	}
}

func TestTestThatHangsEndsWithItsContext(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{HangTest: true})
	n, _ := testNginx(t, f.Command())
	ctx, cancel := context.WithTimeout(testContext(t), 100*time.Millisecond)
	defer cancel()
	if err := n.Test(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Test: %v", err)
	}
}

func TestTestThatFailsInAWrapper(t *testing.T) {
	f := nginxtest.NewFake(t, nginxtest.Behaviour{FailTest: "nginx: [emerg] no luck"})
	n, _ := testNginx(t, append([]string{"env"}, f.Command()...))
	err := n.Test(testContext(t))
	if e, ok := errors.AsType[*TestError](err); !ok || !strings.HasSuffix(e.Error(), "[emerg] no luck") {
		t.Errorf("Test: %v", err)
	}
}
