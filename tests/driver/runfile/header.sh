#! /bin/sh
CRCsum=0000000000
MD5=00000000000000000000000000000000
skip=@SKIP@
label="NVIDIA Accelerated Graphics Driver for Linux-x86_64 @VERSION@"
script=./nvidia-installer
targetdir=NVIDIA-Linux-x86_64-@VERSION@
scriptargs=""
keep=n
TMPROOT=${TMPDIR:=/tmp}
TARGET_OS="Linux"
TARGET_ARCH="x86_64"
# A stand-in for NVIDIA's installer, for tests: it does what NVIDIA's makeself header does, in the same order and words.

sums() { tail -n +4 "$0" | cksum | awk '{print $1}'; }

case "$1" in
    -help|--help|-h|-A|--advanced-options)
        echo; echo "$0 [options]"; echo
        echo "This program will install the $label by unpacking"
        echo "the embedded tarball and executing the $script"
        echo "installation utility."; echo
        exit 0 ;;
    -lsm|--lsm) echo "no LSM"; exit 0 ;;
    --label) echo "$label"; exit 0 ;;
    --version-string) echo "@VERSION@"; exit 0 ;;
    --target-os) echo "$TARGET_OS"; exit 0 ;;
    --target-arch) echo "$TARGET_ARCH"; exit 0 ;;
    --target-directory) echo "$targetdir"; exit 0 ;;
    --script) echo "$script $scriptargs"; exit 0 ;;
    --info)
        echo
        echo "  Identification    : $label"
        echo "  Target directory  : $targetdir"
        echo "  Uncompressed size : @SIZE@ KB"
        echo "  Compression       : gzip"
        echo "  Application run after extraction : $script $scriptargs"
        echo
        echo "  The directory $targetdir will be removed after extraction."
        echo
        exit 0 ;;
    --list)
        echo "Target directory: $targetdir"
        tail -n +$skip "$0" | gzip -cd | tar tvf - 2> /dev/null
        exit 0 ;;
    --check)
        sum1=$(sums)
        [ "$sum1" = "$CRCsum" ] || { echo "Error in checksums $sum1 $CRCsum"; exit 2; }
        md5sum=$(tail -n +4 "$0" | md5sum | cut -b-32)
        [ "$md5sum" = "$MD5" ] || { echo "Error in md5 sums $md5sum $MD5"; exit 2; }
        echo "check sums and md5 sums are ok"
        exit 0 ;;
esac

location=$(pwd)
run_script=y
while [ "$1" ]; do
    case "$1" in
        --extract-only|-x) run_script=n; keep=y ;;
        --keep) keep=y ;;
        --target)
            [ "$2" ] || { echo "ERROR: --target: no target directory specified."; exit 1; }
            targetdir="$2"; keep=y; shift ;;
        --tmpdir)
            [ "$2" ] || { echo "ERROR: --tmpdir: no temporary directory specified."; exit 1; }
            scriptargs="$scriptargs $1 $2"; TMPROOT="$2"; shift ;;
        *) scriptargs="$scriptargs $1" ;;
    esac
    shift
done

mkdir -p "$TMPROOT" || { echo "Unable to create temp directory $TMPROOT"; exit 1; }
if [ "$(uname -m)" != "$TARGET_ARCH" ] && [ "$run_script" = y ]; then
    echo; echo "ERROR: this .run file is intended for the"
    echo "${TARGET_OS}-${TARGET_ARCH} platform, but you appear to be"
    echo "running on Linux-$(uname -m).  Aborting installation."; echo
    exit 1
fi
if [ "$keep" = y ]; then
    echo "Creating directory $targetdir"; tmpdir=$targetdir
else
    workingdir="$TMPROOT/selfgz$$"; tmpdir="$workingdir/$targetdir"
    rm -rf "$tmpdir"
fi
if [ -d "$tmpdir" ] || [ -f "$tmpdir" ]; then
    echo "The directory '$tmpdir' already exists.  Please either"
    echo "move the existing directory out of the way, or specify a"
    echo "different directory with the '--target' option."
    exit 1
fi
mkdir -p "$tmpdir" || { echo "Unable to create the target directory '$tmpdir'."; exit 1; }
printf 'Verifying archive integrity... '
sum1=$(sums)
[ "$sum1" = "$CRCsum" ] || { echo "Error in check sums $sum1 $CRCsum"; exit 2; }
echo OK
printf 'Uncompressing %s' "$label"
cd "$tmpdir" || exit 1
(cd "$location" && tail -n +$skip "$0") | gzip -cd | tar xf - || { echo "Extraction failed."; exit 1; }
echo "....."
chown -Rf "$(id -u):$(id -g)" .
res=0
if [ "$run_script" = y ]; then
    # shellcheck disable=SC2086
    # The words are options.
    $script $scriptargs
    res=$?
fi
[ "$keep" = y ] || { cd "$TMPROOT" && rm -rf "$workingdir"; }
exit $res
