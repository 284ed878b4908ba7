#!/bin/sh
# Makes a PostgreSQL standby the primary: a promote hook (docs/hooks.md).
#
#   failover:
#     promote:
#       exec:
#         - /etc/evenkeel/hooks/promote-postgres.sh
#         - /var/lib/postgresql/15/main       # data directory, the same on all nodes
#         - /usr/lib/postgresql/15/bin        # where pg_ctl is
#         - postgres                          # whom to log in as on the node; without it, run right here
#       timeout: 30s
#
# The node is the host of EVENKEEL_TO_ADDRESS. Logging in takes a key for ssh, and a known host.
# Running it again for a server that is the primary already changes nothing.

set -eu

data=${1:?usage: promote-postgres.sh DATA_DIRECTORY PROGRAM_DIRECTORY [USER]}
programs=${2:?usage: promote-postgres.sh DATA_DIRECTORY PROGRAM_DIRECTORY [USER]}
user=${3:-}
host=${EVENKEEL_TO_ADDRESS%:*}
host=${host#\[}
host=${host%\]}

there() {
  if [ -z "$user" ]; then
    "$@"
  else
    # Words of these commands hold no blanks or quotes, so the other shell sees the same words.
    ssh -o BatchMode=yes -o ConnectTimeout=5 "$user@$host" LC_ALL=C "$@"
  fi
}

export LC_ALL=C
state=$(there "$programs/pg_controldata" "$data" | sed -n 's/^Database cluster state: *//p')
case $state in
'in production')
  echo "$EVENKEEL_TO is the primary already"
  ;;
'in archive recovery')
  there "$programs/pg_ctl" promote -D "$data" -w -t 25
  echo "$EVENKEEL_TO was promoted for epoch $EVENKEEL_EPOCH"
  ;;
*)
  echo "$EVENKEEL_TO can't be promoted: the state of its cluster is '$state', not 'in archive recovery'" >&2
  exit 1
  ;;
esac
