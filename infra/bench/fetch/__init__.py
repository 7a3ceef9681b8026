"""The copy from Azure to S3 by the function, compiled as ops deploy it, beside rclone doing the same: MB/s, CPU seconds and peak memory of each."""
