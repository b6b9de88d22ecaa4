// Package hook runs a user's commands when a virtual router changes state: to
// move a cloud address, to tell a pager, to start a job.
//
// What is promised:
//
//   - One command runs at a time, hooks in the order of the configuration, without
//     a shell, and is killed with its whole process group at its timeout.
//   - A command is run again until it exits 0, after 1s, 2s, 4s ... 30s.
//   - It is run for the current state only. A newer state of the same virtual
//     router takes the place of one whose commands wait; one that runs is not
//     interrupted, and the newer one's come after it.
//   - [Runner.Again] has the commands of the present state run once more, when
//     something suggests that the outside world has come to disagree.
//
// So a command must be idempotent and state what is wanted, not what changed. It
// sees this environment and nothing else of ngha's:
//
//	NGHA_EVENT      active, backup or stopped: the word of `on`
//	NGHA_STATE      the same
//	NGHA_REASON     why the state was entered, in words
//	NGHA_NODE       this node's name
//	NGHA_NAME       the virtual router's name
//	NGHA_VRID       its VRID
//	NGHA_INTERFACE  its interface; empty while none is found
//	NGHA_ADDRESSES  its addresses with their lengths, separated by blanks
//	NGHA_PRIORITY   the priority that it takes part with
//	PATH            ngha's own
package hook
