// Command capable prints what lan.Capable says, and which of its threads hold
// both network capabilities then.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"ngha/vrrp/lan"
)

func main() {
	fmt.Println(lan.Capable())
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic(err)
	}
	const need = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
	capable := 0
	for _, t := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + t.Name() + "/status")
		if err != nil {
			panic(err)
		}
		m := regexp.MustCompile(`CapEff:\s+(\w+)`).FindSubmatch(b)
		set, err := strconv.ParseUint(string(m[1]), 16, 64)
		if err != nil {
			panic(err)
		}
		if set&need == need {
			capable++
		}
	}
	fmt.Println(capable == len(tasks), capable)
}
