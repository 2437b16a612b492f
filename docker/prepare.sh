#!/bin/sh
# Runs once, before the servers of docker-compose.yml: makes their secrets, each in a volume of its own, and writes the demo's site
# file with the containers' names. What exists stays, so that a second `docker compose up` finds the same secrets.
#   prepare.sh SITE_FILE [FOLDER]      FOLDER is /run/plantroom in a container
set -eu
site_file=$1
folder=${2:-/run/plantroom}
umask 022

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep FILE TEXT : writes a secret once; its readers run as other users, and only they are given the volume
keep() {
  [ -s "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
}

keep database/password "$(random)"
keep database/url "postgresql://plantroom:$(cat "$folder/database/password")@postgres:5432/plantroom"
keep telemetry/password "$(random)"
keep telemetry/token "$(random)"
keep telemetry/url "influxdb://$(cat "$folder/telemetry/token")@influxdb:8086/plantroom/plantroom"
keep broker/login "plantroom:$(random)"
keep grafana/password "$(random)"

# the same site at the containers' names, with the gateway's credential in the gateway's own volume
sed -e 's#credential_file: credential#credential_file: /var/lib/plantroom/credential#' \
  -e 's#http://127\.0\.0\.1:8080#http://cloud:8080#' \
  -e 's#host: 127\.0\.0\.1#host: simulators#' \
  -e 's#mqtt: "*mqtt://127\.0\.0\.1:1883"*#mqtt: "mqtt://mosquitto:1883", credential_file: /run/plantroom/broker/login#' \
  "$site_file" >"$folder/site/site.yaml"
