#!/usr/bin/env bash
# Makes the virtual machine in a folder: Debian's newest kernel for this release (not the cloud one, which lacks the
# drivers) and a first file system that mounts the host's root and this checkout, both read only, and runs one script.
#
#   machine.sh FOLDER     leaves FOLDER/vmlinuz and FOLDER/initrd.gz; what is wrong goes to stderr, as one line
set -euo pipefail
PATH=$PATH:/sbin:/usr/sbin
folder=$1
cache=${RDMA_CACHE:-${HOME:-/root}/.cache/hotspare-rdma}
# What the machine needs beside what the kernel has in it; depmod knows what they need in turn.
modules='virtio_pci 9p 9pnet_virtio veth ib_uverbs rdma_ucm rdma_rxe overlay crc32_generic'

package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }')
[ -n "$package" ] || { echo 'apt knows no linux-image-amd64 (apt-get update)' >&2; exit 1; }
if [ ! -d "$cache/$package/boot" ]; then
  download=$(mktemp -d)
  trap 'rm -rf "$download"' EXIT
  (cd "$download" && apt-get download -q "$package" >/dev/null 2>&1) ||
    { echo "$package cannot be downloaded" >&2; exit 1; }
  mkdir -p "$cache/$package.part"
  dpkg-deb -x "$download"/*.deb "$cache/$package.part"
  mv "$cache/$package.part" "$cache/$package"
fi
kernel=$cache/$package
version=$(ls "$kernel/lib/modules")
[ -f "$kernel/lib/modules/$version/modules.dep.bin" ] || depmod -b "$kernel" "$version"

tree=$folder/tree
mkdir -p "$tree"/{bin,lib,proc,sys,dev,mnt}
cp "$(command -v busybox)" "$tree/bin/busybox"
# Each module after those it needs, in the order in which they are inserted.
for module in $modules; do
  modprobe -d "$kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' >"$folder/order"
[ -s "$folder/order" ] || { echo "$package has none of the modules" >&2; exit 1; }
number=100
while read -r file; do
  cp "$file" "$tree/lib/$((number++))-$(basename "$file")"
done <"$folder/order"

cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /lib/*.ko*; do
  insmod "$module" 2>/dev/null
done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose root /mnt || poweroff -f
mount --bind /dev /mnt/dev
mkdir -p /mnt/dev/shm /mnt/dev/pts 2>/dev/null
mount -t tmpfs tmpfs /mnt/dev/shm
mount -t tmpfs tmpfs /mnt/run
mount -t tmpfs tmpfs /mnt/tmp
mount -t proc proc /mnt/proc
mount -t sysfs sys /mnt/sys
# libfabric reads all symbols of the kernel, a kilobyte at a time, whenever it is loaded: seconds under emulation.
mount --bind /dev/null /mnt/proc/kallsyms
ip link set lo up
for word in $(cat /proc/cmdline); do
  case $word in
    tests=*) tests=${word#tests=} ;;
    with=*) with=${word#with=} ;;
    node=*) node=${word#node=} ;;
  esac
done
# A mount of its own: the checkout may lie in what is hidden now.
mkdir /mnt/run/hotspare
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose checkout /mnt/run/hotspare || poweroff -f
export PATH=$node:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox chroot /mnt /bin/bash /run/hotspare/test/rdma/inside.sh "$tests" "$with"
export PATH=/bin
sync
poweroff -f
INIT
chmod +x "$tree/init"
(cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initrd.gz"
cp "$kernel/boot/vmlinuz-$version" "$folder/vmlinuz"
