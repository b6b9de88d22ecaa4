package nginxctl_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"ngha/nginxctl"
)

// A configuration is tested, nginx started, reloaded and stopped.
func Example() {
	ctx := context.Background()
	n := nginxctl.Nginx{Command: []string{"nginx", "-g", "daemon off;"}}
	if err := n.Test(ctx); err != nil {
		log.Fatal(err) // nginx's own words
	}
	m, err := n.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Ready(ctx); err != nil {
		log.Fatal(err)
	}
	if err := m.Reload(ctx); err != nil {
		log.Print(err) // not applied: the old configuration goes on
	}
	if err := m.Stop(ctx, nginxctl.StopOptions{Grace: 5 * time.Second}); err != nil {
		log.Fatal(err)
	}
}

// A status endpoint is written as a URL; one on a unix socket as nginx's
// proxy_pass has it.
func ExampleParseProbe() {
	p, err := nginxctl.ParseProbe("http://unix:/run/ngha/nginx.sock:/stub_status")
	fmt.Println(p, err)
	_, err = nginxctl.ParseProbe("https://localhost/stub_status")
	fmt.Println(err)
	// Output:
	// http://unix:/run/ngha/nginx.sock:/stub_status <nil>
	// status URL "https://localhost/stub_status": the status endpoint is asked without TLS: write http://127.0.0.1:8080/stub_status or http://unix:/run/ngha/nginx.sock:/stub_status
}
