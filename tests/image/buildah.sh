# For scripts that source it: buildah in a store of its own, without a daemon and without namespaces.
export BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}"

storage() {
  command="$1"
  shift
  buildah --root "$store/store" --runroot "$store/run" --storage-driver overlay "$command" "$@"
}
