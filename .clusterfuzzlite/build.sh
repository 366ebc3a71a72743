#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite ask for it; fuzz/contract_test plays their
# part.
#   from them: $CC $CXX $CFLAGS $CXXFLAGS $LIB_FUZZING_ENGINE $SANITIZER, $SRC/truenorm, $WORK
#   to $OUT:   TARGET, TARGET.options, TARGET.dict, TARGET_seed_corpus.zip, lib/
# Calls stay on their own thread: an input's coverage is to depend on the input alone, and OpenMP's
# library could not be instrumented.
root=$SRC/truenorm
build=$WORK/truenorm
bin=$build/bin

case $SANITIZER in
  # For libstdc++; an instrumented libc++ needs neither.
  memory)
    CXXFLAGS+=" -D_GLIBCXX_EXTERN_TEMPLATE=0 -fsanitize-ignorelist=$root/cmake/msan.ignore"
    ;;
  # Data are hashes, which wrap on purpose, at every value.
  undefined) CXXFLAGS+=" -fno-sanitize=unsigned-integer-overflow" ;;
esac
export CXXFLAGS
cmake -S "$root" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=None \
  -D TRUENORM_FUZZ_ENGINE="$LIB_FUZZING_ENGINE" -D TRUENORM_FUZZ_ONLY=ON -D TRUENORM_OPENMP=OFF \
  -D TRUENORM_INSTALL=OFF -D CMAKE_BUILD_WITH_INSTALL_RPATH=ON -D CMAKE_INSTALL_RPATH='$ORIGIN/lib'
export LLVM_PROFILE_FILE=/dev/null # what the coverage build's own programs do is no coverage
cmake --build "$build" --target fuzzers fuzz_seeds ${JOBS:+-j "$JOBS"}

# seeds_of TARGET: the folder of its seeds
seeds_of() {
  case $1 in
    text_fuzz) echo "$build/seeds/text" ;;
    *) [[ -d $root/corpus/seeds/$1 ]] && echo "$root/corpus/seeds/$1" || echo "$build/seeds/bytes" ;;
  esac
}

mkdir -p "$OUT/lib"
count=0
for program in "$bin"/*_fuzz; do
  target=${program##*/}
  # It judges what its user brings.
  [[ $target != plugin_fuzz ]] || continue
  cp "$program" "$OUT/"
  for file in "$root/fuzz/$target".{options,dict}; do
    [[ ! -e $file ]] || cp "$file" "$OUT/"
  done
  (cd "$(seeds_of "$target")" && zip -q -r "$OUT/${target}_seed_corpus.zip" .)
  # The machines that run targets have the C library and no more.
  ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' |
    { grep -vE '/lib(c|m|dl|rt|pthread|resolv)\.so' || true; } | xargs -r cp -L -t "$OUT/lib"
  count=$((count + 1))
done
echo "$count targets built with $SANITIZER; left out: plugin_fuzz (needs a user's plugin)," \
  "torch_fuzz (needs LibTorch)"
