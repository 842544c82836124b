#!/bin/sh
# Prints the Python that the environment is made with: the one named as first argument, or the first
# of python3.11, python3.12, python3, python that is 3.11 or 3.12 and can make environments.

works() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' \
        >/dev/null 2>&1
}

if [ -n "$1" ]; then
    if works "$1"; then
        echo "$1"
        exit 0
    fi
    echo "'$1' is not a Python 3.11 or 3.12 that can make environments; give another one, as in" \
        "'make test PYTHON=/usr/bin/python3.11'." >&2
    exit 1
fi

for candidate in python3.11 python3.12 python3 python; do
    if works "$candidate"; then
        echo "$candidate"
        exit 0
    fi
done

for version in 3.11 3.12; do
    if "python$version" -c '' >/dev/null 2>&1; then
        echo "Python $version is there but cannot make environments; on Debian and Ubuntu install it" \
            "with: sudo apt-get install python$version-venv" >&2
        exit 1
    fi
done
echo "No Python 3.11 or 3.12 was found; install one, or name it, as in" \
    "'make test PYTHON=/opt/python3.11/bin/python3'." >&2
exit 1
