#!/bin/sh
# Installs what the system tests and the benches talk to: real servers and load tools from Debian.
# Needs root and apt. Does nothing when all is there; leaves no service running.
#   test/setup.sh          for `npm run test:system`
#   test/setup.sh --bench  also for `npm run bench`
set -eu

say() { echo "test/setup.sh: $*" >&2; }

bench=no
case "${1:-}" in
  '') ;;
  --bench) bench=yes ;;
  *) say "unknown option '$1' (there is only --bench)"; exit 2 ;;
esac

packages=
# need PACKAGE COMMAND: installs the package if there is no such command.
need() { command -v "$2" >/dev/null 2>&1 || packages="$packages $1"; }

# Debian keeps servers in /usr/sbin, which an ordinary user's PATH may lack.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
need nginx nginx
need haproxy haproxy
need redis-server redis-server
need redis-tools redis-benchmark
need postgresql-client psql
need mariadb-server mariadbd
need mariadb-client mariadb
need patroni patroni
need etcd-server etcd
need wrk wrk
need apache2-utils ab
need curl curl
need util-linux setpriv
need keepalived keepalived
need etcd-server etcd
need etcd-client etcdctl
need iproute2 ip
need nftables nft
need openssl openssl
need knot knotd
need prometheus promtool
need chromium chromium
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages="$packages postgresql"
if [ "$bench" = yes ]; then
  need caddy caddy
  need util-linux taskset
  [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || packages="$packages libnginx-mod-stream"
fi

[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  say "missing:$packages. This script knows only Debian's apt-get; install them your way."
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  say "missing:$packages. Run it as root: sudo test/setup.sh"
  exit 1
fi

# Debian starts a service as soon as it is installed, on its usual port, unless this file says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
fi

export DEBIAN_FRONTEND=noninteractive
say "installing$packages"
apt-get update -qq || { say 'apt-get update failed: is there a network?'; exit 1; }
# shellcheck disable=SC2086  # a list of words
apt-get install -y -qq --no-install-recommends $packages >/dev/null || {
  say "apt-get could not install$packages"
  exit 1
}
