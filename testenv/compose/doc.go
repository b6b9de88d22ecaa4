// Package compose runs ngha on a container engine of this machine: the pairs of
// nodes in its folders, which are there to be tried by hand, and single
// containers of the image that cmd/ngha/Dockerfile builds.
//
//	lab := testenv.New(t)
//	pair := compose.Up(t, lab, "environment") // skips where no engine answers
//	probe := pair.Client().ProbeHTTP("http://198.51.100.100/", 20*time.Millisecond)
//	pair.Node("a").Docker("kill")
//	...
//
// The images are made by the script images. A pair is raised by docker-compose
// from a copy of its folder, so that a test may change what it mounts, and is
// looked at as a guest of the lab: from the client's network.
//
// Networks of the same addresses cannot be in one engine: each pair has its own,
// and of two programs that use this package the second waits for the first.
package compose
