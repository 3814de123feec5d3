#!/bin/sh
# Installs the model and its services, as root; run it again after each export into this folder.
#   sudo ./install.sh       PYTHON=python3.13 sudo -E ./install.sh
set -eu
umask 022 # also where root keeps all to itself: the service is another user
cd "$(dirname "$0")"
serve='mlship-serve-<<slug>>.service'
batch='mlship-batch-<<slug>>.service'
timer='mlship-batch-<<slug>>.timer'
home='/opt/mlship/<<slug>>'
tokens='/etc/mlship/<<slug>>.tokens'
python="${PYTHON:-python3}"

if [ "$(id -u)" != 0 ]; then
    echo "install.sh has to be run as root: sudo ./install.sh" >&2
    exit 1
fi
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'; then
    echo "'$python' has to be Python 3.11 or newer with venv: PYTHON=python3.13, or apt-get install python3-venv" >&2
    exit 1
fi
getent passwd mlship >/dev/null ||
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mlship
install -d -m 0755 /opt/mlship "$home" /etc/mlship

# Libraries: a folder for each lock and Python, so that what a server runs on stays while another is made.
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
venv="venv-$(sha256sum mlship.lock | cut -c 1-12)-$version"
if [ ! -e "$home/$venv/complete" ]; then
    rm -rf "${home:?}/$venv"
    "$python" -m venv "$home/$venv"
    set --
    if [ -d wheelhouse ]; then
        set -- --no-index --find-links wheelhouse
    fi
    "$home/$venv/bin/python" -m pip install --quiet --no-deps --require-hashes --only-binary :all: "$@" -r mlship.lock
    touch "$home/$venv/complete"
fi
# The golden rows are replayed with these libraries, on this machine, before anything changes.
"$home/$venv/bin/python" -m mlship.targets.smoke model.onnx

if [ ! -e "$tokens" ]; then
    (umask 077 && "$python" -c 'import secrets; print("first:" + secrets.token_urlsafe(32))' > "$tokens")
fi
for unit in "$serve" "$batch" "$timer"; do
    install -m 0644 "$unit" "/etc/systemd/system/$unit"
done
install -m 0644 README.md "$home/README.md"
install -m 0644 model.onnx "$home/model.onnx.new"
mv "$home/model.onnx.new" "$home/model.onnx"
before="$(readlink "$home/venv" || true)"
ln -sfn "$venv" "$home/venv.new"
mv -T "$home/venv.new" "$home/venv"

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if systemctl is-active --quiet "$serve"; then
        # Other libraries need another process; another model is taken over without a gap.
        if [ "$before" = "$venv" ]; then
            systemctl reload "$serve"
        else
            systemctl restart "$serve"
        fi
    fi
fi
for old in "$home"/venv-*; do
    if [ "$old" != "$home/$venv" ]; then
        rm -rf "$old"
    fi
done
echo "Installed in $home. The token of the client 'first' is in $tokens."
