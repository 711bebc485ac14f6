#!/bin/sh
# generate.sh PROTOC PLUGIN SOURCE_ROOT WELL_KNOWN OUT_DIR PACKAGE_DIR NAME
# Runs protoc-c on PACKAGE_DIR/NAME.proto. The result is wanted twice: at OUT_DIR/PACKAGE_DIR (where generated includes look), and flat in OUT_DIR
# (where the build system looks).
set -eu
"$1" --plugin=protoc-gen-c="$2" -I"$3" -I"$4" --c_out="$5" "$6/$7.proto"
cp "$5/$6/$7.pb-c.c" "$5/$6/$7.pb-c.h" "$5/"
