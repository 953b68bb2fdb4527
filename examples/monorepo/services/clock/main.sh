echo "$1, it is later than you think"
