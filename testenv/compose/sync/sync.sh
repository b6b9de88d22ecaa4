# Puts /new in the place of the nodes' nginx configuration and has one node after the
# other load it, the one that serves last. At the first that refuses, or does not
# answer, the old configuration is put back, and all nodes are left with it.
set -eu

ask() { ngha "$2" --socket "/nodes/$1/ngha.sock"; }
serves() { ask "$1" status | grep -q 'active (master)'; }

# The nodes, standby first. One without a socket has not been started yet, and reads
# the configuration when it is.
nodes='' last=''
for folder in /nodes/*; do
	node=${folder##*/}
	[ -S "$folder/ngha.sock" ] || continue
	if serves "$node"; then last="$last $node"; else nodes="$nodes $node"; fi
done

rm -rf /tmp/old
cp -R /nginx /tmp/old
put() {
	rm -rf /nginx/*
	cp -R "$1"/. /nginx
}
put /new
done=''
for node in $nodes $last; do
	if said=$(ask "$node" reload); then
		echo "$node: $said"
		done="$done $node"
		continue
	fi
	echo "$node did not load the new configuration: the old one is put back" >&2
	put /tmp/old
	# This one, too: it may have loaded it without being able to say so.
	for node in $done "$node"; do
		ask "$node" reload || echo "$node was not reached" >&2
	done
	exit 1
done
