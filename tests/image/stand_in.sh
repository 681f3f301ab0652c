#!/bin/sh
# Makes localhost/python:stand-in, for a machine that reaches Debian but no registry of images: Debian
# with its own Python, where python:3.13-slim has one that was built from source. Not for AWS.
set -eu
store=${IMAGE_STORE:-build/image}
. "$(dirname "$0")/buildah.sh"
mkdir -p "$store"
rootfs=$store/debian
debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,python3-minimal,python3-venv trixie "$rootfs"
chroot "$rootfs" python3 -m venv --copies /usr/local
container=$(storage from scratch)
tar -c -C "$rootfs" -f "$store/debian.tar" .
storage add --quiet "$container" "$store/debian.tar" /
storage config --cmd python3 \
  --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
storage commit --quiet "$container" localhost/python:stand-in
storage rm "$container" >/dev/null
rm -rf "$rootfs" "$store/debian.tar"
