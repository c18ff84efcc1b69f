#!/usr/bin/env bash
# The peers that benchmarks/speed.py times, each in a virtual environment of its own:
#
#     benchmarks/peers.sh FOLDER
#
# makes FOLDER/joeynmt, FOLDER/opennmt, FOLDER/eole and FOLDER/yoyodyne, or finds them made. A peer
# that cannot be installed is named at the end and left out; the others are installed all the same.
#
# torch comes first, since every peer would bring another one; then the peer without what it asks
# for, because that is an older torch, or much that only its other uses need; then, by hand, what
# it imports. pip takes the wheel of torch that it is set up to find: one for CPUs is enough.

set -u

TORCH="torch==2.13.0"
PYTHON="${PYTHON:-python3}"

main() {
    [ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
    folder=$1
    failed=""
    mkdir -p "$folder" || exit 1

    peer joeynmt "joeynmt==2.3.0" "joeynmt.training" \
        numpy pyyaml sacrebleu sentencepiece subword-nmt matplotlib tensorboard packaging \
        importlib_metadata tqdm setuptools

    # spacy and fasttext serve transforms that are not used, but are imported with the others.
    peer opennmt "OpenNMT-py==3.5.1" "onmt.bin.train, onmt.inference_engine" \
        numpy configargparse pyyaml sacrebleu rapidfuzz six pyonmttok pyahocorasick tensorboard \
        ctranslate2 setuptools spacy fasttext-wheel

    # So it is here with fasttext, and with what eole's server and tools take.
    peer eole "eole==0.6.4" "eole.bin.run.train, eole.inference_engine" \
        numpy configargparse pyyaml sacrebleu rapidfuzz six pyonmttok pyahocorasick tensorboard \
        ctranslate2 setuptools fasttext-wheel pydantic safetensors rich huggingface_hub tokenizers \
        sentencepiece aiohttp requests fastapi uvicorn waitress

    # torchvision and torchaudio, which yoyodyne asks for, it does not import.
    peer yoyodyne "yoyodyne==0.5.27" "yoyodyne.models, yoyodyne.trainers" \
        numpy pyyaml "jsonargparse[signatures]>=4.40,<5" omegaconf rich maxwell \
        "lightning>=2.6,<3" "torchmetrics>=1.8.2,<2" "wandb>=0.18.7,<1"

    [ -z "$failed" ] || echo "== not installed:$failed"
}

# peer NAME REQUIREMENT MODULES PACKAGE...: one environment, whose stamp says what is in it.
peer() {
    local name=$1 requirement=$2 modules=$3
    shift 3
    local environment="$folder/$name"
    if [ "$(cat "$environment/installed" 2> /dev/null)" = "$requirement $TORCH $*" ]; then
        echo "== $name: $requirement is there"
    elif install "$environment" "$requirement" "$modules" "$@"; then
        echo "$requirement $TORCH $*" > "$environment/installed"
    else
        echo "== $name: $requirement could not be installed; left out"
        failed="$failed $name"
    fi
}

install() {
    local environment=$1 requirement=$2 modules=$3
    shift 3
    echo "== $environment: $TORCH, $requirement, $# packages more; some minutes"
    "$PYTHON" -m venv "$environment" &&
        pip "$TORCH" &&
        pip --no-deps "$requirement" &&
        # Named again, so that what needs another torch fails instead of replacing it.
        pip "$TORCH" "$@" &&
        "$environment/bin/python" -W ignore -c "import $modules"
}

# What the peer would have of its requirements and has not, pip says each time: not news here.
pip() {
    "$environment/bin/python" -m pip install --quiet --progress-bar off \
        --disable-pip-version-check "$@" 2> "$environment/pip.log" ||
        { cat "$environment/pip.log" >&2; return 1; }
}

main "$@"
