#!/bin/sh
# Builds targets of the image: with Docker where its engine answers, else with buildah, which needs
# root. The first is unpacked besides, with its settings, for `pytest -m image`.
#
#   make image                                   # project, spark, cuda
#   make image BASE_IMAGE=localhost/python:stand-in IMAGE_OPTIONS="--volume ..."
set -eu
here=$(dirname "$0")
code=$here/../../pipeline_code
store=${IMAGE_STORE:-build/image}
mkdir -p "$store"
unpacked=$store/rootfs
set -- "${@:-project}"

if docker info >/dev/null 2>&1; then
  with_docker=1
elif command -v buildah >/dev/null; then
  with_docker=
  . "$here/buildah.sh"
else
  echo "make image needs Docker with its engine running, or buildah (apt-get install buildah), found neither" >&2
  exit 1
fi

for target; do
  echo "building $target" >&2
  # shellcheck disable=SC2086 # several options in one variable
  if [ $with_docker ]; then
    BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --quiet ${IMAGE_OPTIONS:-} ${BASE_IMAGE:+--build-arg BASE_IMAGE=$BASE_IMAGE} \
      --target "$target" --tag "fraudloop:$target" "$code"
  else
    storage bud --quiet --layers ${IMAGE_OPTIONS:-} ${BASE_IMAGE:+--build-arg BASE_IMAGE=$BASE_IMAGE} \
      --target "$target" --tag "localhost/fraudloop:$target" "$code"
  fi
done

rm -rf "$unpacked" "$store/inspected.json"
mkdir -p "$unpacked"
mkdir -p "$unpacked/opt/ml" # where SageMaker mounts a job's folders
if [ $with_docker ]; then
  container=$(docker create "fraudloop:$1")
  docker export "$container" | tar -x -C "$unpacked"
  docker rm "$container" >/dev/null
  docker image inspect "fraudloop:$1" >"$store/inspected.json"
else
  container=$(storage from "localhost/fraudloop:$1")
  tar -c -C "$(storage mount "$container")" . | tar -x -C "$unpacked"
  storage rm "$container" >/dev/null
  storage inspect --type image "localhost/fraudloop:$1" >"$store/inspected.json"
fi
