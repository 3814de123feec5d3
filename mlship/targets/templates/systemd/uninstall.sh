#!/bin/sh
# Removes the services, the model and its libraries, as root; tokens and data stay unless told: ./uninstall.sh --purge
set -eu
serve='mlship-serve-<<slug>>.service'
batch='mlship-batch-<<slug>>.service'
timer='mlship-batch-<<slug>>.timer'
if [ -d /run/systemd/system ]; then
    systemctl disable --now "$timer" "$serve" || true
    systemctl stop "$batch" || true
fi
for unit in "$serve" "$batch" "$timer"; do
    rm -rf "/etc/systemd/system/$unit" "/etc/systemd/system/$unit.d"
done
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
rm -rf '/opt/mlship/<<slug>>'
if [ "${1:-}" = --purge ]; then
    rm -rf '/var/lib/mlship/<<slug>>' '/etc/mlship/<<slug>>.tokens'
fi
