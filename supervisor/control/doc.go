// Package control lets other programs ask a running ngha: HTTP and JSON over a
// unix socket, so that `ngha status`, a script and
//
//	curl --unix-socket /run/ngha/ngha.sock http://ngha/status
//	curl --unix-socket /run/ngha/ngha.sock -X POST http://ngha/reload
//	curl --unix-socket /run/ngha/ngha.sock -X POST http://ngha/upgrade
//
// are the same to it. An answer other than a result is {"error": "..."}, with
// these statuses:
//
//	200  the status, or a reload or an upgrade that was applied
//	404  unknown path
//	405  known path, another method
//	413  a request with a body: none has one
//	422  a reload or an upgrade that was not applied; the body is its result all the same
//	503  the request could not be carried out
//
// Who may ask is decided by the socket's owner and mode alone. [Listen] also
// holds a lock beside the socket for as long as it is open: the socket's path is
// what makes an ngha the only one, so a second one is refused there.
package control
