#!/usr/bin/env bash
# What a GPU does: tests, labels, speed, memory. For a bare machine with PyTorch for CUDA and nvcc; nothing is fetched.
#
#   benchmarks/gpu.sh                       # everything, in 560 seconds at most
#   benchmarks/gpu.sh --stages=tests,labels --budget=200
#   benchmarks/gpu.sh --rehearse            # the same in tiny sizes, on a CPU too
#   benchmarks/gpu.sh --pack                # beforehand, where there are git and pip: gathers in .gpu/ what that machine
#                                           # lacks; DATASETGAN_STYLEGAN3 names a clone of StyleGAN3 to take along
#
# The stages and their other options: python benchmarks/gpu.py --help
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
pack=$PWD/.gpu
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1
# checkouts that were carried here may belong to another user
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

# Upstream's checkout of a folder, patched, in another folder.
patched_upstream() {
    git clone --quiet --no-hardlinks "$1" "$2"
    git -C "$2" checkout --quiet "$(git -C "$1" rev-parse HEAD)"
    DATASETGAN_UPSTREAM=$2 "$python" -c 'from datasetgan_ext.cli import main; main()' patch-upstream
}

if [ "${1:-}" = --pack ]; then
    exclude=$(git rev-parse --git-path info/exclude)
    mkdir -p "$(dirname "$exclude")"
    grep -qx '/.gpu/' "$exclude" 2>/dev/null || echo '/.gpu/' >> "$exclude"
    rm -rf "$pack"
    mkdir -p "$pack/wheels" "$pack/checkouts"
    patched_upstream stylegan2_ada_pytorch "$pack/checkouts/upstream"
    stylegan3=${DATASETGAN_STYLEGAN3:-.stylegan3}
    if [ -d "$stylegan3" ]; then
        git clone --quiet --no-hardlinks --depth=1 "file://$(realpath "$stylegan3")" "$pack/checkouts/stylegan3"
        rm -rf "$pack/checkouts/stylegan3/docs" "$pack/checkouts/stylegan3/.git"
    fi
    tar -C "$pack/checkouts" -cf "$pack/checkouts.tar" .
    rm -rf "$pack/checkouts"
    git describe --always --dirty --exclude='*' > "$pack/commit"
    # of what the tests and commands import, what that machine's list of packages lacks
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$pack/wheels" defusedxml
    du -sh "$pack"
    exit
fi

work=$PWD/out/gpu
mkdir -p "$work"
if compgen -G "$pack/wheels/*.whl" > /dev/null; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir --upgrade \
        --target "$work/site" "$pack"/wheels/*.whl
    export PYTHONPATH=$PYTHONPATH:$work/site
fi
rm -rf "$work/upstream" "$work/stylegan3"
if [ -f "$pack/checkouts.tar" ]; then
    tar -C "$work" -xf "$pack/checkouts.tar"
else
    patched_upstream stylegan2_ada_pytorch "$work/upstream"
fi
export DATASETGAN_UPSTREAM=$work/upstream
if [ -f "$pack/commit" ]; then
    BENCHMARK_COMMIT=$(cat "$pack/commit")
    export BENCHMARK_COMMIT
fi
if [ -d "$work/stylegan3" ]; then
    export DATASETGAN_STYLEGAN3=$work/stylegan3
elif [ -z "${DATASETGAN_STYLEGAN3:-}" ] && [ -d .stylegan3 ]; then
    export DATASETGAN_STYLEGAN3=$PWD/.stylegan3
fi
"$python" benchmarks/gpu.py "$@"
