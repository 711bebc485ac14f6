#!/bin/sh
# check_symbols.sh HEADER SHARED STATIC - both libraries show exactly the functions that the header declares.
set -eu
declared=$(tr '\n' ' ' <"$1" | grep -o '\bhf_[a-z_]*(' | tr -d '(' | sort -u)
shown_by() {
	nm -g --defined-only "$@" | sed -n 's/^[0-9a-f]* T \([^@]*\).*/\1/p' | sort -u
}
others_of() {
	nm -g --defined-only "$@" | sed -n 's/^[0-9a-f]* \([A-Z] [^@]*\).*/\1/p' | grep -v -e '^T hf_' -e '^A HOLDFAST_0' || true
}
failed=0
check() {
	if [ "$2" != "$declared" ] || [ -n "$3" ]; then
		echo "$1 does not show what the header declares; declared:" "$declared" "shown:" "$2" "others:" "$3"
		failed=1
	fi
}
check "$2" "$(shown_by -D "$2")" "$(others_of -D "$2")"
check "$3" "$(shown_by "$3")" "$(others_of "$3")"
exit $failed
