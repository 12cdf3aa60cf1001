#!/usr/bin/env bash
# Snakemake 9.27.1: in a dry run (`-n`), errors are written to standard output, and standard error holds no word of them.
#
# Everywhere else Snakemake logs to standard error. With `-n` the whole log moves to standard output, errors included,
# while the exit status stays 1. One would expect the list of planned jobs on standard output and errors where they
# always are.
#
# Who meets it: schedulers' wrappers, CI steps and tests that plan a workflow first and show or search standard error when
# the status is not 0: they report an empty reason. Who pipes the planned jobs to a file finds the error in there.
#
# Seen: a WorkflowError at parse is on stderr without `-n` and only on stdout with it; so is a missing input file.
# Exits with 0 where this still holds, and with 1 where it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$work"
mkdir parse input
cat > parse/Snakefile <<'SMK'
from snakemake.exceptions import WorkflowError
raise WorkflowError("REASON: a key of the configuration is unknown")
SMK
cat > input/Snakefile <<'SMK'
rule all:
    input: "REASON-this-file-is-missing.txt"
SMK

fits=true
for folder in parse input; do
    for option in "" "-n"; do
        status=0
        "$work/venv/bin/snakemake" --cores 1 $option --directory "$folder" --snakefile "$folder/Snakefile" \
            > out 2> err || status=$?
        stdout=$(grep -c REASON out || true) stderr=$(grep -c REASON err || true)
        echo "$folder ${option:-  }: status $status, the reason is on stdout in $stdout lines, on stderr in $stderr"
        case "$option" in
            -n) [ "$status" -eq 1 ] && [ "$stdout" -gt 0 ] && [ "$stderr" -eq 0 ] || fits=false ;;
            *) [ "$status" -eq 1 ] && [ "$stdout" -eq 0 ] && [ "$stderr" -gt 0 ] || fits=false ;;
        esac
    done
done
"$fits" && echo "as described" || { echo "this has changed"; exit 1; }
