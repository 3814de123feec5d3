#!/bin/sh
# Makes the file `tokens`, which the server's Secret is made of: NAME:TOKEN, one a line. Add lines for more clients.
#   ./token.sh [NAME]
set -eu
cd "$(dirname "$0")"
name="${1:-first}"
umask 077
token=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
printf '%s:%s\n' "$name" "$token" >> tokens
echo "The token of '$name' is the last line of $(pwd)/tokens." >&2
