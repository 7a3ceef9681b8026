"""The copy from Azure to S3 by the function that `sam build` made, beside rclone doing the same: MB/s, CPU seconds and peak memory of each."""
