#!/bin/sh
# Inside the namespaces that unshare made: the host read-only, users' folders and /tmp empty, one folder to write to.
# Arguments: WRITABLE COUNT HIDDEN... COUNT KEPT... COMMAND...
set -eu
writable=$1
shift

# What must stay in sight is bound to a stage first. The stage is reached as the current folder from then on, since
# its path may be hidden in the next step.
stage=$(mktemp -d "$writable/.stage-XXXXXX")
mount --make-rprivate /
mount -t tmpfs -o size=1m tmpfs "$stage"
cd "$stage"
mkdir writable
mount --rbind "$writable" writable

hidden=$1
shift
hide=""
while [ "$hidden" -gt 0 ]; do
    hide="$hide $1" # our own list: no blanks in it
    shift
    hidden=$((hidden - 1))
done

kept=$1
shift
number=0
places=""
while [ "$number" -lt "$kept" ]; do
    if [ -d "$1" ]; then mkdir "kept-$number"; else : >"kept-$number"; fi
    mount --rbind "$1" "kept-$number"
    printf '%s' "$1" >"place-$number"
    shift
    number=$((number + 1))
done

for folder in $hide; do
    mount -t tmpfs -o size=64m,mode=1777 tmpfs "$folder"
done
number=0
while [ "$number" -lt "$kept" ]; do
    place=$(cat "place-$number")
    if [ -d "kept-$number" ]; then
        mkdir -p "$place"
    else
        mkdir -p "$(dirname "$place")"
        [ -e "$place" ] || : >"$place"
    fi
    mount --rbind "kept-$number" "$place"
    number=$((number + 1))
done
mkdir -p "$writable"

# Every mount is made read-only by itself: the flag of a parent does not reach its children. The flags that are set
# already must be named again, or the kernel refuses.
while read -r _ _ _ _ place options _; do
    place=$(printf '%b' "$place")
    case " $hide " in *" $place "*) continue ;; esac
    mount -o "remount,bind,ro,${options#r[wo],}" "$place" 2>/dev/null || true
done </proc/self/mountinfo
mount -t proc proc /proc
mount --rbind writable "$writable"
mount -o remount,bind,rw "$writable"
cd "$writable"
if touch /etc/.customhouse-probe 2>/dev/null; then
    rm -f /etc/.customhouse-probe
    echo "confinement: the host could not be made read-only" >&2
    exit 125
fi
exec "$@"
