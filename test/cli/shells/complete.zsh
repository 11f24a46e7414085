# Completes each line of standard input in an interactive zsh on a terminal of its own, with the script $1; prints the
# candidates of a line on one line.
zmodload zsh/zpty
script=$1 directory=$PWD answers=$(mktemp -d)
mkfifo $answers/pipe
exec {answer}<>$answers/pipe

zpty inner "PS1= PS2= zsh -f -i"
zpty -w inner "
autoload -Uz compinit && compinit -u -D
source ${(q)script}
cd ${(q)directory}
# What completion functions offer comes by here; with -O, -A and -D they only ask.
compadd() {
  local -a offered
  if [[ \${@[1,(i)(-|--)]} != *-(O|A|D)\\ * ]]; then
    builtin compadd -O offered \"\$@\"
    candidates+=(\$offered)
  fi
  builtin compadd \"\$@\"
}
answer-completion() {
  candidates=()
  zle list-choices
  print -r -- \${(pj:\\t:)candidates} > ${(q)answers}/pipe
  BUFFER=
}
zle -N answer-completion
bindkey '^I' answer-completion
print ready > ${(q)answers}/pipe
"
read -u $answer
while IFS= read -r line; do
  zpty -w -n inner "$line"$'\t'
  IFS= read -r -u $answer candidates
  print -r -- $candidates
  # Else its terminal is full one day.
  while zpty -r -t inner ignored; do :; done
done
zpty -d inner
rm -r $answers
