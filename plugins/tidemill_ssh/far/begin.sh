# Becomes a step. It is started ahead, and waits for the word that an order is there: so all that
# a step waits for is its own program. See supervisor.sh. No apostrophes in what is sent.
#
#   $0  the file of the order          $4  the memory that a shell needs, in kB
#   $1  the mark                       $5  the word, where it has been heard already
#   $2 $3  the number that the step bears, and as which limit
#
#   fd 0  the word; its end says that no step comes     fd 4  what is told to the executor
#
# The order calls these; where they come, the variables of the step may have any name and value.
eval "
refuse() { echo \"$1 refused \$1\" >&4; trap - EXIT; exit 1; }
begins() {
  [ ! -e ${0%order}cut ] || { trap - EXIT; exit 1; }
  echo $1 started \$\$ >&4
  trap \": >${0%order}failed\" EXIT
}"
echo "$4 $$" >"${0%order}peak"
[ -n "$5" ] || read -r x || exit 1
trap "echo $1 refused order >&4" EXIT
exec 2>&1 </dev/null
[ "$2" = 0 ] || ulimit -S "-$3" "$2" || refuse order
export TIDE_OUTPUT="${0%order}output" TMPDIR="${0%order}tmp"
cd "${0%order}work" || refuse workdir
. "$0"
