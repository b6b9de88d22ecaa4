#!/bin/sh
# Makes /etc/nginx/conf.d/NAME of /etc/nginx/templates/NAME.template, with the
# environment's values in the place of ${VARIABLES}.
set -e

templates=/etc/nginx/templates
to=/etc/nginx/conf.d
[ -d "$templates" ] || exit 0
if ! [ -w "$to" ]; then
	echo "$0: $to is not writable" >&2
	exit 0
fi
for file in "$templates"/*.template; do
	[ -f "$file" ] || continue
	name=${file##*/}
	awk '{
		for (name in ENVIRON) {
			mark = "${" name "}"
			while (at = index($0, mark))
				$0 = substr($0, 1, at - 1) ENVIRON[name] substr($0, at + length(mark))
		}
		print
	}' "$file" >"$to/${name%.template}"
done
