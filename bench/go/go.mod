module computegate.io/bench

go 1.25
