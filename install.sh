#!/bin/sh
# Installs claude-mpm-socketio on Linux and macOS, and takes it out again: `sh install.sh --help`.
# Nothing runs before the last line has been read, so a download that breaks off does nothing.
set -u

PRODUCT=claude-mpm-socketio
BASE_URL=https://github.com/bobmatnyc/claude-mpm-socketio/releases
SHIPPED='linux-x64 linux-x64-baseline linux-arm64 linux-x64-musl darwin-x64 darwin-arm64 windows-x64'
SUMS=SHA256SUMS

print_help() {
  cat <<EOF
Installs $PRODUCT, or a newer version in its place.

  curl -fsSL $BASE_URL/latest/download/install.sh | sh
  curl -fsSL $BASE_URL/latest/download/install.sh | sh -s -- --version 0.1.0

  --version X        this version, also an older one; else the newest
  --base-url PLACE   where releases lie: a URL or a folder; else $BASE_URL
  --prefix DIR       puts the program into DIR/bin; else ~/.local, as root /usr/local
  --no-modify-path   leaves the start files of your shell alone
  --service          also sets it up as a service, which runs from log-on, as root from boot
  --uninstall        removes the program, its service and its hooks in Claude Code; data stays
  --purge            with --uninstall: data goes too
  --help             this text

Exit codes: 0 done, 1 failed, 2 wrong usage.
EOF
}

main() {
  tmp='' child='' edited='' made='' placed=no
  red='' plain=''
  if [ -t 2 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
    red=$(printf '\033[31m') plain=$(printf '\033[0m')
  fi
  # With it set, the program would be a bare Bun.
  unset BUN_BE_BUN
  trap clean_up EXIT
  trap 'interrupted 129' HUP
  trap 'interrupted 130' INT
  trap 'interrupted 141' PIPE
  trap 'interrupted 143' TERM

  read_flags "$@"
  choose_place
  if [ "$uninstall" = yes ]; then uninstall; else install; fi
}

read_flags() {
  version='' base=$BASE_URL prefix='' modify_path=yes service=no uninstall=no purge=no installing=''
  while [ $# -gt 0 ]; do
    flag=$1
    shift
    case $flag in
      --version=* | --base-url=* | --prefix=*)
        value=${flag#*=}
        flag=${flag%%=*}
        ;;
      --version | --base-url | --prefix)
        value=${1-}
        [ $# -eq 0 ] || shift
        ;;
      *) value=- ;;
    esac
    [ -n "$value" ] || usage "$flag needs a value"
    case $flag in
      --version) version=${value#v} installing=$flag ;;
      --base-url) base=${value%/} installing=$flag ;;
      --prefix) prefix=$value ;;
      --no-modify-path) modify_path=no installing=$flag ;;
      --service) service=yes installing=$flag ;;
      --uninstall) uninstall=yes ;;
      --purge) purge=yes ;;
      --help | -h)
        print_help
        exit 0
        ;;
      *) usage "There is no flag $flag" ;;
    esac
  done
  case $version in *[!A-Za-z0-9.+-]*) usage "'$version' is no version" ;; esac
  if [ "$uninstall" = yes ] && [ -n "$installing" ]; then usage "$installing says how to install, not how to uninstall"; fi
  if [ "$uninstall" = no ] && [ "$purge" = yes ]; then usage '--purge belongs to --uninstall'; fi
  case $base in
    http://* | https://*) remote=yes ;;
    file://*)
      remote=no
      decode "${base#file://}"
      base=/${decoded#*/}
      ;;
    *://*) usage "Releases are not loaded from $base, only from http://, https://, file:// and folders" ;;
    *) remote=no ;;
  esac
}

# As in file:///My%20Files
decode() {
  decoded='' rest=$1
  while :; do
    before=${rest%%\%[0-9A-Fa-f][0-9A-Fa-f]*}
    decoded=$decoded$before
    [ "$before" != "$rest" ] || break
    rest=${rest#"$before"%}
    # shellcheck disable=SC2059 # the octal escape is the format
    decoded=$decoded$(printf "\\$(printf '%03o' "0x${rest%"${rest#??}"}")")
    rest=${rest#??}
  done
}

choose_place() {
  mode=user
  [ "$(id -u)" != 0 ] || mode=system
  if [ -z "$prefix" ]; then
    if [ $mode = system ]; then
      prefix=/usr/local
    elif [ -n "${HOME-}" ]; then
      prefix=${HOME%/}/.local
    else
      fail 'HOME is not set, so there is no place for your programs' 'Name one with --prefix DIR'
    fi
  fi
  case $prefix in
    /*) ;;
    # Not every shell expands it in --prefix=~/x.
    \~/*) prefix=${HOME-}/${prefix#??} ;;
    *) prefix=$PWD/${prefix#./} ;;
  esac
  bin=${prefix%/}/bin
  program=$bin/$PRODUCT
  if [ -d "$program" ]; then
    fail "$program is a directory" 'Move it away, or choose another place with --prefix DIR'
  fi
  # Not by running it: who knows what it would do.
  if [ -e "$program" ] && ! grep -q CLAUDE_MPM_SOCKETIO_ "$program"; then
    fail "$program is another program of that name" 'Move it away, or choose another place with --prefix DIR'
  fi
}

install() {
  choose_target
  find_tools
  make_room
  find_release

  say "Loading $archive"
  load "$where$archive" "$tmp/archive" progress || fail "$base/$where$SUMS lists $archive, but it is not there" 'Try again later: the release may not be complete yet'
  sum_of "$tmp/archive"
  [ "$sum" = "$expected" ] || fail "$archive is not what was released: its SHA-256 is $sum, not $expected" 'Try again; if it stays so, somebody has changed it on the way'
  unpack

  before='' replaced=no
  if [ -e "$program" ]; then
    before=$("$program" --version 2>/dev/null)
    before=${before:-a version that does not run}
    sum_of "$program"
    old=$sum
    sum_of "$tmp/$PRODUCT"
    [ "$sum" = "$old" ] || replaced=yes
  fi
  if [ -n "$before" ] && [ $replaced = no ] && [ -x "$program" ]; then
    say "$program is already $version"
  else
    mv -f "$tmp/$PRODUCT" "$program" || fail "Could not replace $program" 'Choose another place with --prefix DIR, or run this as root'
    [ $replaced = yes ] || before=${before:+same}
    case $before in
      same) say "Made $program executable again; it is already $version" ;;
      '') say "Installed $PRODUCT $version: $program" ;;
      "$version") say "Replaced $version by another build of it: $program" ;;
      *)
        change=Upgraded
        [ "$(newer "$before" "$version")" = "$version" ] || change=Downgraded
        say "$change from $before to $version: $program"
        ;;
    esac
  fi
  placed=yes

  put_on_path
  if [ "$service" = yes ]; then
    "$program" service install --mode $mode || fail "The program is installed, but not its service (exit $?; the reason stands above)" "Run it without one: $call start"
  elif [ $replaced = yes ]; then
    name_older_servers
  fi
  [ -n "$before" ] || say_next
}

say_next() {
  say '' 'Next:'
  if [ "$service" = no ]; then
    say "  $call start          # the server, in the background"
  fi
  if [ "$service$mode" = yessystem ]; then
    say "  $call hooks install --http  # each user, for only so does Claude Code reach the machine's server" \
      "  $call open                  # look at it in the browser"
  else
    say "  $call hooks install  # Claude Code tells it what it does" \
      "  $call open           # look at it in the browser"
  fi
}

# The one that the configuration leads to, and those of other ports.
name_older_servers() {
  hint='A server still runs the version before; to change over:'
  usual=''
  if answer=$("$program" status --json 2>/dev/null); then
    say "$hint $call restart"
    usual=$(printf '%s\n' "$answer" | sed -n 's/^  "port": \([0-9]*\).*/\1/p' | head -n 1)
  fi
  [ -n "${HOME-}" ] || return
  for file in "$HOME"/.claude-mpm/socketio/*/server.json; do
    [ -e "$file" ] || continue
    port=${file%/*}
    port=${port##*/}
    case $port in "$usual" | *[!0-9]*) continue ;; esac
    if "$program" status --port "$port" >/dev/null 2>&1; then say "$hint $call restart --port $port"; fi
  done
}

choose_target() {
  system=$(uname -s) cpu=$(uname -m) libc=''
  case $system in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN* | Windows*)
      fail 'This script is for Linux and macOS' "On Windows, in PowerShell: irm $BASE_URL/latest/download/install.ps1 | iex"
      ;;
    *) not_shipped "$system" ;;
  esac
  case $cpu in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) not_shipped "$system on $cpu" ;;
  esac
  if [ $os = darwin ]; then
    # A shell that Rosetta translates says x86_64.
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || cpu=arm64
  else
    # Some boards run 32-bit programs on a 64-bit kernel.
    [ "$(getconf LONG_BIT 2>/dev/null)" != 32 ] || not_shipped "$system on $cpu with 32-bit programs"
    case $(ldd --version 2>&1) in
      *musl*) libc=-musl ;;
      *GLIBC* | *GNU*) ;;
      *) for loader in /lib/ld-musl-*; do [ ! -e "$loader" ] || libc=-musl; done ;;
    esac
  fi
  target=$os-$cpu$libc
  if [ "$target" = linux-x64 ] && ! grep -q avx2 /proc/cpuinfo 2>/dev/null; then target=linux-x64-baseline; fi
  case " $SHIPPED " in *" $target "*) ;; *) not_shipped "$target" ;; esac
}

not_shipped() {
  fail "There is no $PRODUCT for $1" "There is one for: $SHIPPED"
}

# Everything that is needed later, so that nothing is loaded in vain.
find_tools() {
  for tool in mktemp tar gzip; do
    has "$tool" || fail "$tool is missing" "Install $tool, and run this again"
  done
  hash=''
  for tool in sha256sum shasum openssl; do
    if [ -z "$hash" ] && has "$tool"; then hash=$tool; fi
  done
  [ -n "$hash" ] || fail 'There is nothing to check SHA-256 sums with' 'Install one of sha256sum, shasum and openssl, and run this again'
  if [ "$remote" = yes ]; then
    loader=''
    for tool in wget curl; do
      if has "$tool"; then loader=$tool; fi
    done
    [ -n "$loader" ] || fail 'There is nothing to load files with' 'Install curl or wget, and run this again'
  fi
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# Beside the program: on another file system, moving it into place would take time, and it might not run there.
make_room() {
  made='' folder=$bin
  while [ -n "$folder" ] && [ ! -e "$folder" ]; do
    made=$folder
    folder=${folder%/*}
  done
  sweep
  if ! problem=$(mkdir -p "$bin" 2>&1) || ! tmp=$(mktemp -d "$bin/.$PRODUCT.XXXXXX" 2>/dev/null); then
    fail "Cannot write to $bin${problem:+ ($problem)}" 'Choose another place with --prefix DIR, or run this as root'
  fi
  # For those who sweep; on a full disk it goes without.
  { echo $$ >"$tmp/pid"; } 2>/dev/null
}

# What was left by an installer that was killed, and by the program's own `upgrade`.
sweep() {
  for left in "$bin/.$PRODUCT."*; do
    if [ -f "$left/pid" ]; then
      pid=$(cat "$left/pid" 2>/dev/null)
    else
      pid=${left#"$bin/.$PRODUCT."}
      [ "$pid" != "${pid%.new}" ] || continue
      pid=${pid%.new}
    fi
    sweep_one "$left" "$pid"
  done
  for left in "$program".*.old; do
    pid=${left#"$program".}
    sweep_one "$left" "${pid%.old}"
  done
}

sweep_one() {
  case $2 in '' | *[!0-9]*) return ;; esac
  # Another user's process fails in another way.
  case $(LC_ALL=C kill -0 "$2" 2>&1) in
    *[Nn]'o such process'*) rm -rf "$1" 2>/dev/null ;;
  esac
}

# Sets archive, version, the sum that is expected, and where under the base they stand.
find_release() {
  if [ "$remote" = no ] && [ ! -d "$base" ]; then
    fail "There is no folder $base" 'Name the folder that holds SHA256SUMS with --base-url'
  fi
  where=latest/download/
  [ -z "$version" ] || where=download/v$version/
  if ! load "$where$SUMS" "$tmp/sums"; then
    where=''
    load "$SUMS" "$tmp/sums" || fail "There is no release${version:+ $version} at $base" "Is the address right? It has to hold latest/download/$SUMS or $SUMS"
  fi
  archive='' listed='' cr=$(printf '\r')
  while read -r sum file || [ -n "$sum" ]; do
    file=${file#\*}
    file=${file%"$cr"}
    case $file in
      *[!A-Za-z0-9.+-]*) continue ;;
      "$PRODUCT"-*.tar.gz) listed="$listed $file" ;;
      *) continue ;;
    esac
    found=${file#"$PRODUCT"-}
    found=${found%-"$target".tar.gz}
    [ "$file" = "$PRODUCT-$found-$target.tar.gz" ] || continue
    [ "$found" = "${version:-$found}" ] || continue
    # Of several versions the newest.
    if [ -n "$archive" ] && [ "$(newer "$newest" "$found")" = "$newest" ]; then continue; fi
    archive=$file expected=$sum newest=$found
  done <"$tmp/sums"
  [ -n "$archive" ] || fail "The release at $base/$where has no $PRODUCT${version:+ $version} for $target" "It has:${listed:- no archives}"
  version=$newest
  expected=$(printf '%s\n' "$expected" | sed y/ABCDEF/abcdef/)
}

# load NAME FILE [progress]: fails only where there is none; any other failure ends the run.
load() {
  from=$base/$1 to=$2 status=''
  if [ "$remote" = no ]; then
    [ -e "$from" ] || return 1
    cp "$from" "$to" 2>"$tmp/log" || not_loaded 'Can you read it?'
    return
  fi
  if [ "$loader" = curl ]; then
    # Nobody is sent on from https to anything else; wget cannot promise that.
    protocols='=https'
    case $base in http://*) protocols='=http,https' ;; esac
    verbosity=-sS
    if [ -n "${3-}" ] && [ -t 2 ]; then verbosity=-#; fi
    in_background curl $verbosity -fL --proto "$protocols" --connect-timeout 30 --speed-limit 1 --speed-time 60 -o "$to" -w '%{http_code}' "$from" && return
    status=$(cat "$tmp/status")
  else
    # A limit of time stays at its 15 minutes: Debian's busybox crashes on -T.
    in_background env LC_ALL=C wget -t 1 -O "$to" "$from" && return
    # GNU's wget, busybox' and wget2 have different words for it.
    status=$(sed -nE 's/.*(ERROR|HTTP[^ ]*|response|\.\.\.) ([45][0-9][0-9]).*/\2/p' "$tmp/log" | head -n 1)
  fi
  case $status in
    404) return 1 ;;
    [45]??) fail "$from answers with status $status" 'Try again later; behind a proxy, look at https_proxy and http_proxy' ;;
  esac
  not_loaded "Is the address right, and this machine online? Behind a proxy, set https_proxy or http_proxy, which $loader heeds"
}

not_loaded() {
  check_disk
  fail "Could not load $from: $(tail -n 1 "$tmp/log")" "$1"
}

# A shell hears signals while it waits, but not while a command runs in the foreground: one that stalls would hold it.
in_background() {
  case $2 in
    # Its progress is for whoever waits.
    -\#) "$@" >"$tmp/status" & ;;
    *) "$@" >"$tmp/status" 2>"$tmp/log" & ;;
  esac
  child=$!
  wait "$child"
  set -- $?
  child=''
  return "$1"
}

sum_of() {
  case $hash in
    sha256sum) sum=$(sha256sum <"$1") ;;
    shasum) sum=$(shasum -a 256 <"$1") ;;
    openssl) sum=$(openssl dgst -sha256 -r <"$1") ;;
  esac
  sum=${sum%% *}
}

unpack() {
  # To standard output, so that an archive can only be the content of this one file.
  if ! tar -xzOf "$tmp/archive" "$PRODUCT-$version-$target/$PRODUCT" >"$tmp/$PRODUCT" 2>"$tmp/log" || ! chmod 755 "$tmp/$PRODUCT"; then
    check_disk
    fail "Could not unpack $archive: $(tail -n 1 "$tmp/log")" 'Try again'
  fi
  if ! found=$("$tmp/$PRODUCT" --version 2>"$tmp/log"); then
    hint='It may be that something it needs is missing, or that programs must not run there; then choose another place with --prefix DIR'
    [ "$libc" != -musl ] || hint='It needs libstdc++ and libgcc; on Alpine: apk add libstdc++ libgcc'
    fail "The program for $target does not run from $bin: $(tail -n 1 "$tmp/log")" "$hint"
  fi
  [ "$found" = "$version" ] || fail "$archive holds version $found" 'Choose another version with --version X'
}

check_disk() {
  free=$(df -Pk "$tmp" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9][0-9]*%.*/\1/p')
  if [ -n "$free" ] && [ "$free" -lt 1024 ]; then
    fail "The disk that holds $bin is full" 'Make room for 200 MB there, or choose another place with --prefix DIR'
  fi
}

# The newer of two versions. 1.0.0-rc.1 comes before 1.0.0: "~" sorts behind all that a version is made of.
newer() {
  printf '%s~\n' "$1" "$2" | LC_ALL=C sort -t. -k1,1n -k2,2n -k3,3n | sed -n '$s/~$//p'
}

# Sets `call`, the way to call the program from the terminal this runs in.
put_on_path() {
  call=$PRODUCT
  case :$PATH: in
    *:"$bin":*)
      first=$(command -v "$PRODUCT")
      # The same folder may stand there under another name.
      if [ "$(real "${first%/*}")" != "$(real "$bin")" ]; then
        say "Another one comes first on your PATH: $first"
        quote "$program"
        call=$quoted
      fi
      return
      ;;
  esac
  quote "$program"
  call=$quoted
  set_path_lines
  changed='' unchanged=''
  if [ "$modify_path" = yes ] && [ -n "$sh_line" ] && [ -n "${HOME-}" ]; then
    case ${SHELL-} in
      */bash)
        add_line "$HOME/.bashrc" "$sh_line"
        # A log-on shell reads the first of these that exists.
        login=.profile
        for file in .bash_login .bash_profile; do
          [ ! -e "$HOME/$file" ] || login=$file
        done
        add_line "$HOME/$login" "$sh_line"
        ;;
      */zsh) add_line "${ZDOTDIR:-$HOME}/.zshrc" "$sh_line" ;;
      */fish)
        mkdir -p "${fish_file%/*}" 2>/dev/null
        add_line "$fish_file" "$fish_line"
        ;;
      *) add_line "$HOME/.profile" "$sh_line" ;;
    esac
  fi
  [ -z "$changed" ] || say "New terminals find it, by a line in $changed"
  [ -z "$unchanged" ] || say "Could not change $unchanged"
  if [ -z "$sh_line" ]; then
    say "$bin cannot be on a PATH, for there is a colon or a line break in it"
  elif [ -z "$changed" ]; then
    say "$bin is not on your PATH; to find the program by its name, add this to your shell's start file:"
    case ${SHELL-} in
      */fish) say "  $fish_line" ;;
      *) say "  $sh_line" ;;
    esac
  fi
}

real() {
  cd "$1" && pwd -P
}

# The line that puts `bin` on the PATH, as it stands in start files; empty where there can be none.
set_path_lines() {
  sh_line='' fish_line=''
  fish_file=${XDG_CONFIG_HOME:-${HOME-}/.config}/fish/conf.d/$PRODUCT.fish
  case $bin in *:* | *'
'*) return ;; esac
  quote "$bin"
  # shellcheck disable=SC2016 # for the shell that reads the file
  sh_line='case ":$PATH:" in *:'$quoted':*) ;; *) export PATH='$quoted':"$PATH" ;; esac'" # $PRODUCT"
  escaped=$(printf '%s\n' "$bin" | sed "s/[\\\\']/\\\\&/g")
  # shellcheck disable=SC2016 # so is this
  fish_line="contains -- '$escaped' "'$PATH; or set -gx PATH '"'$escaped'"' $PATH'" # $PRODUCT"
}

# As one word of any POSIX shell.
quote() {
  case $1 in
    *[!A-Za-z0-9/._-]*) quoted=\'$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")\' ;;
    *) quoted=$1 ;;
  esac
}

add_line() {
  if [ -e "$1" ] && grep -qFx -e "$2" "$1"; then
    changed="${changed:+$changed and }$1"
  elif edit add "$1" "$2"; then
    changed="${changed:+$changed and }$1"
  else
    unchanged="${unchanged:+$unchanged and }$1"
  fi
}

remove_line() {
  [ -e "$1" ] && grep -qFx -e "$2" "$1" || return 0
  if edit remove "$1" "$2"; then
    say "Took the PATH line out of $1"
    # It held nothing else.
    if [ ! -s "$1" ] && [ ! -L "$1" ]; then rm -f "$1"; fi
  else
    say "Could not change $1; take this line out of it: $2"
  fi
}

# edit add|remove FILE LINE: a changed copy takes the file's place, so that a full disk or a signal costs nobody a file.
edit() {
  file=$2
  while [ -L "$file" ] && [ -e "$file" ]; do
    link=$(readlink "$file")
    case $link in
      /*) file=$link ;;
      *) file=${file%/*}/$link ;;
    esac
  done
  edited=$file.$PRODUCT.$$
  make_edited "$1" "$3" 2>/dev/null && mv -f "$edited" "$file" && return
  rm -f "$edited"
  return 1
}

make_edited() {
  if [ -e "$file" ]; then
    [ -w "$file" ] || return
    # Its mode and owner, too.
    cp -p "$file" "$edited" || return
  fi
  if [ "$1" = add ]; then
    if [ -n "$(tail -c 1 "$file")" ]; then echo >>"$edited" || return; fi
    printf '%s\n' "$2" >>"$edited"
  else
    grep -vFx -e "$2" "$file" >"$edited"
    # 1 is: no line is left.
    [ $? -le 1 ]
  fi
}

# The program takes its service, its hooks and perhaps itself out.
uninstall_service() {
  [ -e "$program" ] || return
  of=$1
  set -- --mode "$1"
  [ "$purge" = no ] || set -- "$@" --purge
  "$program" uninstall "$@"
  status=$?
  # Usage, and what a shell or a signal makes of a program that does not run.
  if [ $status -eq 0 ]; then
    # The data of the machine's service lies elsewhere.
    [ "$of" = system ] || purged=$purge
  elif [ $status -eq 2 ] || [ $status -ge 126 ]; then
    say "The program itself could not uninstall (exit $status): a service of it, its hooks in ~/.claude/settings.json and its data may be left"
  else
    fail "The program itself could not uninstall (exit $status; the reason stands above), so it stays" "Mend that and run this again, or remove the program alone: rm $program"
  fi
}

uninstall() {
  purged=no
  sweep
  if [ -e "$program" ] || [ -L "$program" ]; then
    "$program" stop --all 2>/dev/null | grep -E '^(Stopped|Killed): '
    # Root may have both.
    [ $mode = user ] || uninstall_service system
    uninstall_service user
    rm -f "$program" || fail "Could not remove $program" 'Run this as root'
    say "Removed $program"
  else
    say "There is no $PRODUCT in $bin"
    other=$(command -v "$PRODUCT") && say "There is one at $other: name its place with --prefix, or use the package manager that it came from"
  fi
  set_path_lines
  if [ -n "$sh_line" ] && [ -n "${HOME-}" ]; then
    for file in .bashrc .bash_profile .bash_login .profile .zshrc; do
      remove_line "$HOME/$file" "$sh_line"
    done
    [ -z "${ZDOTDIR-}" ] || remove_line "$ZDOTDIR/.zshrc" "$sh_line"
    remove_line "$fish_file" "$fish_line"
  fi
  say_data
}

say_data() {
  [ -n "${HOME-}" ] && [ $purged = no ] || return 0
  data=$HOME/.claude-mpm ours=''
  # Other programs keep theirs beside it.
  for file in "$data/socketio" "$data/socketio_config.json"; do
    if [ -e "$file" ]; then
      quote "$file"
      ours="$ours $quoted"
    fi
  done
  [ -n "$ours" ] || return 0
  [ "$purge" = no ] || fail "The data in $data is still there: only the program could have removed it" "Remove it yourself: rm -r$ours"
  say "Data stays in $data; to remove it: rm -r$ours"
}

say() {
  printf '%s\n' "$@"
}

fail() {
  printf '%sError:%s %s\n%s\n' "$red" "$plain" "$1" "$2" >&2
  exit 1
}

usage() {
  printf '%sError:%s %s\n%s\n' "$red" "$plain" "$1" 'See --help for the flags there are' >&2
  exit 2
}

interrupted() {
  # What was written to may be gone.
  trap '' HUP INT PIPE TERM
  if [ $placed = yes ]; then
    echo "Interrupted; $program is in place" >&2
  else
    echo 'Interrupted; nothing was changed' >&2
  fi
  exit "$1"
}

clean_up() {
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null
    # Some shells tell how it ended.
    wait "$child" 2>/dev/null
  fi
  [ -z "$tmp" ] || rm -rf "$tmp"
  [ -z "$edited" ] || rm -f "$edited"
  if [ $placed = no ] && [ -n "$made" ]; then
    folder=$bin
    rmdir "$folder" 2>/dev/null
    while [ "$folder" != "$made" ]; do
      folder=${folder%/*}
      rmdir "$folder" 2>/dev/null
    done
  fi
}

# A shell reads a group to its end before it runs any of it; and what runs must not read the script from standard input.
{
  main "$@"
} </dev/null
