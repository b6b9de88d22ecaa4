#!/bin/sh
# Does what the public nginx image's entrypoint does: for nginx, what is executable
# in /docker-entrypoint.d is run, or sourced where its name ends in .envsh, in the
# order of the names and at the end of a pipe, so that what is exported reaches the
# rest of them and nobody else; then the command takes this shell's place.
set -e

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"; }

case ${1:-} in
nginx | nginx-debug)
	printf '%s\n' /docker-entrypoint.d/* | while read -r file; do
		if ! [ -x "$file" ]; then
			say "passing over $file, which is not executable"
			continue
		fi
		case $file in
		*.envsh)
			say "sourcing $file"
			. "$file"
			;;
		*.sh)
			say "running $file"
			"$file"
			;;
		esac
	done
	;;
esac
exec "$@"
