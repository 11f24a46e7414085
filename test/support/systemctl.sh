#!/bin/sh
# Stands in for systemctl where systemd is not the first process: it takes down what it is asked in `calls`, fails at
# the verbs that stand in `fails`, says what stands in `state`, and runs what the unit of a user says.
here=$(dirname "$0")
echo "$*" >> "$here/calls"
[ "$1" = --user ] || { echo offline; exit 1; }
shift
unit=$HOME/.config/systemd/user/claude-mpm-socketio.service
# One that has ended, and whose end nobody has asked for, is still a process.
alive() { [ -s "$here/pid" ] && grep -qs '^State:.[^Z]' "/proc/$(cat "$here/pid")/status"; }
stop() {
  alive && kill "$(cat "$here/pid")"
  for _ in 1 2 3 4 5 6 7 8 9; do alive && sleep 0.1; done
  rm -f "$here/pid"
}
if grep -qx -- "$1" "$here/fails"; then
  echo "Failed to $1: told to" >&2
  exit 1
fi
case $1 in
  is-system-running) cat "$here/state" ;;
  enable) touch "$here/enabled" ;;
  disable)
    rm -f "$here/enabled"
    stop
    ;;
  stop) stop ;;
  start | restart)
    stop
    eval "set -- $(sed -n 's/^ExecStart=//p' "$unit")"
    env -i HOME="$HOME" PATH=/usr/bin:/bin "$@" > /dev/null 2>&1 &
    echo $! > "$here/pid"
    ;;
  show)
    if [ -e "$unit" ]; then echo "LoadState=loaded"; else echo "LoadState=not-found"; fi
    if [ -e "$here/enabled" ]; then echo "UnitFileState=enabled"; else echo "UnitFileState=disabled"; fi
    if alive; then echo "ActiveState=active"; else echo "ActiveState=inactive"; fi
    echo "MainPID=$(if alive; then cat "$here/pid"; else echo 0; fi)"
    ;;
esac
