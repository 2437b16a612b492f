#!/bin/sh
# Makes Mosquitto's password file from the secret and becomes the broker.
#   mosquitto.sh [SECRETS] [PASSWORDS] [CONFIGURATION]
set -eu
login=$(cat "${1:-/run/plantroom/broker}/login")
passwords=${2:-/tmp/passwords}
umask 077
rm -f "$passwords"
mosquitto_passwd -b -c "$passwords" "${login%%:*}" "${login#*:}"
exec mosquitto -c "${3:-/mosquitto/config/mosquitto.conf}"
