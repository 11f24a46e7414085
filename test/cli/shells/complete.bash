# Completes each line of standard input with the function that the script $1 registers; bash would tell it of the
# words by the same variables. Prints the candidates of a line on one line, and whether files are offered.
set -u
source "$1"

compopt() {
  case " $* " in *' +o default '*) files=no ;; esac
  case " $* " in *' -o dirnames '*) files=directories ;; esac
}

while IFS= read -r line; do
  # As readline splits: at white space, and "=" is a word of its own.
  read -ra COMP_WORDS <<<"${line//=/ = }"
  case $line in *' ') COMP_WORDS+=('') ;; esac
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  files=yes
  _claude_mpm_socketio
  printf '%s\t' "$files" "${COMPREPLY[@]+"${COMPREPLY[@]}"}"
  echo
done
