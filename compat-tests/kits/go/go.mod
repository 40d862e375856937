module kit

go 1.19

require (
	github.com/go-zookeeper/zk v1.0.4
	oxkeeper v0.0.0
)

replace oxkeeper => ../../../kits/go
