#!/usr/bin/env bash
# Makes a CPU libtorch out of the PyTorch wheel of PyPI, without any package for graphics cards.
#
#   scripts/get-libtorch.sh [DEST]
#
# DEST is ${TELLEE_CACHE:-~/.cache/tellee}/libtorch-2.13.0 unless given. Prints DEST on stdout, all else on stderr.
# Needs python3 with pip, cc, strip, nm and readelf; about 530 MB to download and 400 MB to keep. A DEST that is
# complete is left as it is. Why this way and not another: docs/decisions/ml-worker-process.md.
set -euo pipefail

version=2.13.0
dest=${1:-${TELLEE_CACHE:-$HOME/.cache/tellee}/libtorch-$version}

if [ -f "$dest/ok" ]; then
    echo "$dest"
    exit 0
fi
[ "$(uname -s)" = Linux ] || {
    echo "get-libtorch: made for Linux; elsewhere run 'pip install torch==$version' and set LIBTORCH_USE_PYTORCH=1" >&2
    exit 2
}
case $(uname -m) in
x86_64)
    platform=manylinux_2_28_x86_64
    sha256=60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7
    ;;
aarch64)
    platform=manylinux_2_28_aarch64
    sha256=092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c
    ;;
*)
    echo "get-libtorch: no wheel for $(uname -m)" >&2
    exit 2
    ;;
esac
for tool in python3 cc strip nm readelf sha256sum; do
    command -v "$tool" >/dev/null || {
        echo "get-libtorch: '$tool' is missing" >&2
        exit 2
    }
done

mkdir -p "$(dirname "$dest")"
# Beside DEST, so that the last step is a rename within one file system.
work=$(mktemp -d "$dest.part-XXXXXX")
trap 'rm -rf "$work"' EXIT
unpacked=$work/libtorch

echo "get-libtorch: fetching torch $version (about 530 MB)" >&2
python3 -m pip download --quiet --no-deps --only-binary=:all: --platform "$platform" --python-version 311 \
    --dest "$work" "torch==$version" >&2
wheel=$(ls "$work"/torch-*.whl)
echo "$sha256  $wheel" | sha256sum --check --quiet - >&2

python3 - "$wheel" "$unpacked" <<'PYTHON'
import os
import shutil
import sys
import zipfile

wheel, dest = sys.argv[1:]
unwanted = ("cuda", "nvshmem", "nvrtc", "python", "libshm", "libtorch.so", "global_deps")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        header = name.startswith("torch/include/")
        library = name.startswith("torch/lib/") and ".so" in name and not any(part in name for part in unwanted)
        licence = "licenses/LICENSE" in name
        if name.endswith("/") or not (header or library or licence):
            continue
        path = os.path.join(dest, "LICENSE.torch" if licence else name.removeprefix("torch/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with archive.open(name) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON
rm -f "$wheel"

cd "$unpacked/lib"
strip --strip-unneeded libtorch_cpu.so || echo "get-libtorch: strip failed, the library stays large" >&2

# libtorch.so of the wheel only pulls in the CUDA half: an empty library of that name stands in for it.
: >"$work/empty.c"
cc -shared -fPIC -s "$work/empty.c" -Wl,-soname,libtorch.so -o libtorch.so

# libtorch_cpu.so names two CUDA libraries for its profiler. Stand-ins whose every call answers "no device" will do.
for library in $(readelf -d libtorch_cpu.so | grep -oE 'lib(cudart|cupti)\.so\.[0-9]+'); do
    nm -D --undefined-only libtorch_cpu.so | sed -nE "s/.* U (\w+)@$library/\1/p" | awk '
        /cudaGetErrorString/ { print "const char *" $1 "(int e) { return \"no CUDA\"; }"; next }
        /cudaGetDeviceCount/ { print "int " $1 "(int *n) { if (n) *n = 0; return 100; }"; next }
        { print "int " $1 "(void) { return 100; }" }' >"$work/stub.c"
    echo "$library { global: *; };" >"$work/stub.map"
    cc -shared -fPIC -s -w -fno-builtin "$work/stub.c" -Wl,-soname,"$library" \
        -Wl,--version-script="$work/stub.map" -o "$library"
done

cd "$work"
echo "$version" >"$unpacked/build-version"
touch "$unpacked/ok"
rm -rf "$dest"
mv "$unpacked" "$dest"
echo "$dest"
