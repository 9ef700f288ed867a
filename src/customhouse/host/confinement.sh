#!/bin/sh
# Inside the namespaces that unshare made: the host read-only, one folder to write to, no files of users, then the command.
# Arguments: WRITABLE COUNT KEPT... COMMAND...
set -eu
writable=$1 count=$2
shift 2
mount --make-rprivate /
stage=$(mktemp -d "$writable/.stage-XXXXXX")
mkdir "$stage/writable"
mount --bind "$writable" "$stage/writable"
# Every mount is made read-only by itself: the flag of a parent does not reach its children.
while read -r _ _ _ _ place _; do
    mount -o remount,bind,ro "$(printf '%b' "$place")" 2>/dev/null || true
done </proc/self/mountinfo
mount -t proc proc /proc
mount -o remount,bind,rw "$stage/writable"
mount --bind "$stage/writable" "$writable"
mount -o remount,bind,rw "$writable"
shift "$count"
cd "$writable"
exec "$@"
