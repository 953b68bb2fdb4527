"""From characters to tokens: words, strings with holes, line ends, brackets."""
