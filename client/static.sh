#!/bin/sh
# static.sh OUTPUT ARCHIVE... - one static library whose only global names are hf_*.
#
# The archives are linked into one relocatable object, and all other names are made local to it: a program that links libholdfast
# statically may have functions of its own called buffer_append, or its own copy of a generated message.
set -eu
output=$1
shift
object=${output%.a}.o
${LD:-ld} -r -o "$object" --whole-archive "$@"
${OBJCOPY:-objcopy} --wildcard --keep-global-symbol='hf_*' "$object"
rm -f "$output"
${AR:-ar} rcs "$output" "$object"
rm -f "$object"
