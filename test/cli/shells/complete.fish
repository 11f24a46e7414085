# Completes each line of standard input, with the script $argv[1]; prints the candidates of a line on one line.
source $argv[1]

while read -l line
    echo (complete -C $line | string replace -r '\t.*' '' | string join \t)
end
