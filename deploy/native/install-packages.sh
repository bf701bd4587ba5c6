#!/bin/sh
# Installs Debian or Ubuntu packages as root without starting or enabling a single server on the machine.
# usage: install-packages.sh PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d                                # a script that exits 101 forbids package scripts to start services
cluster=/etc/postgresql-common/createcluster.d/cqrs.conf    # keeps the postgresql package from creating a cluster of its own
made_policy=

clean_up() {
  if [ -n "$made_policy" ]; then rm -f "$policy"; fi
  rm -f "$cluster"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  made_policy=yes
fi
mkdir -p "${cluster%/*}"
printf 'create_main_cluster = false\n' >"$cluster"

is_missing() { ! dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }
new_server=
for package in rabbitmq-server postgresql; do
  case " $* " in *" $package "*) if is_missing "$package"; then new_server="$new_server $package"; fi ;; esac
done

install() {
  apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0 "$@"
}
update() {
  apt-get update -q -o DPkg::Lock::Timeout=180
}

# Lists that are old name packages that are gone: one look at the archive, and a second try.
install "$@" || { update && install "$@"; }

# We installed these servers for the project alone: they are not to come up with the machine.
if [ -n "$new_server" ] && command -v systemctl >/dev/null; then
  for unit in rabbitmq-server.service postgresql.service epmd.socket epmd.service; do
    systemctl disable "$unit" >/dev/null 2>&1 || true
  done
fi
