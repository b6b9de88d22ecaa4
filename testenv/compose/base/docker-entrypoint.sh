#!/bin/sh
# Keeps to what the documentation of the public nginx image says of its
# entrypoint: for nginx, what is executable in /docker-entrypoint.d is run, or
# sourced where its name ends in .envsh, in the order of the names; then the
# command takes this shell's place.
set -e

say() { [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"; }

case ${1:-} in
nginx | nginx-debug)
	for file in /docker-entrypoint.d/*; do
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
