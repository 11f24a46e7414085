#!/bin/sh
# A machine of its own, with systemd as its first process: what it writes goes into memory, and ends with it.
# Run as the first process of new mount, PID, cgroup, IPC, UTS and network namespaces.
# usage: systemd.sh DIRECTORY PROGRAM   (an empty directory; a file that shows up there in /opt/download)
set -eu
directory=$1
program=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
cd "$directory/root"

mkdir -p opt/download
touch "opt/download/$(basename "$program")"
mount --bind "$program" "opt/download/$(basename "$program")"
mount -t proc proc proc
# Nothing here changes the settings of the kernel, which are everybody's.
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount --rbind /dev dev
mount -t sysfs -o ro sysfs sys
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  mount -t tmpfs tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp

# None of this machine's own services.
rm -rf lib/systemd/system/*.wants lib/systemd/user/*.wants etc/systemd/system/*.wants etc/systemd/system/*.requires
: > etc/fstab
printf '[Unit]\nDefaultDependencies=no\n' > etc/systemd/system/bare.target

# A user, and the manager that logging in would start.
echo 'somebody:x:4242:4242::/home/somebody:/bin/sh' >> etc/passwd
echo 'somebody:x:4242:' >> etc/group
mkdir -p home/somebody run/user/4242
chown 4242:4242 home/somebody run/user/4242
chmod 700 run/user/4242
cat > etc/systemd/system/somebody.service <<'UNIT'
[Service]
Type=notify
User=somebody
Environment=XDG_RUNTIME_DIR=/run/user/4242 HOME=/home/somebody
ExecStart=/lib/systemd/systemd --user --unit=basic.target
Delegate=yes
KillMode=mixed
UNIT

exec env -i container=other PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  chroot . /lib/systemd/systemd --system --unit=bare.target --log-target=console
