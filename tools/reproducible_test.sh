#!/usr/bin/env bash
# Makes a release twice, from two clones of the current commit, and compares every byte. The clones have other paths,
# and the second one another time zone and another umask: none of it may show.
#
#     reproducible_test.sh                      # all of it: takes as long as two releases
#     reproducible_test.sh --part chart         # some of it, as release_artifacts.py has it
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
first=$folder/first
second=$folder/a-longer-path/second
# Both of the same commit, whatever is committed meanwhile.
git clone --quiet --no-hardlinks . "$first"
(umask 077 && git clone --quiet --no-hardlinks . "$second")
make --no-print-directory -C "$first" release-artifacts PARTS="$*"
(
    umask 077
    export TZ=Pacific/Kiritimati
    make --no-print-directory -C "$second" release-artifacts PARTS="$*"
)
diff --recursive --brief "$first/dist" "$second/dist" || { echo "the second release differs from the first one" >&2; exit 1; }
printf '%s files, the same bytes twice\n' "$(find "$first/dist" -type f | wc -l)"
