// Package metrics shows a node's status to Prometheus. There are no metrics to
// keep up to date: each scrape reads the snapshot and spells it out, so the
// figures of one scrape belong together.
//
// Names begin with ngha_. Times are seconds; instants, in names that end in
// _timestamp_seconds, are Unix time; 0 stands for an instant that has not come
// yet. A state is one gauge per possible state, of which one is 1. What belongs
// to a virtual router bears the labels name and vrid.
package metrics
